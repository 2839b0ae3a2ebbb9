package upstream

// tournament is a knock-out among candidates: each node holds the index of the
// lighter of its two children, the root that of the lightest of all. A change
// of one candidate replays its matches on the way up, log2(n) of them.
type tournament struct {
	half int     // leaves, a power of two; candidate i is leaf half + i
	node []int32 // node[1] is the root; node[half+i] is i, or -1 where there is none
}

// build plays every match.
func (t *tournament) build(c []Candidate) {
	t.half = 1
	for t.half < len(c) {
		t.half *= 2
	}
	t.node = make([]int32, 2*t.half)
	for i := range t.half {
		t.node[t.half+i] = -1
		if i < len(c) {
			t.node[t.half+i] = int32(i)
		}
	}
	for n := t.half - 1; n >= 1; n-- {
		t.node[n] = t.match(c, n)
	}
}

// match returns who wins at the node.
func (t *tournament) match(c []Candidate, n int) int32 {
	a, b := t.node[2*n], t.node[2*n+1]
	switch {
	case b < 0:
		return a
	case a < 0:
		return b
	case lighter(&c[b], &c[a]):
		return b
	}
	return a
}

// replay plays candidate i's matches again, up to the node where neither the
// winner nor its load changed.
func (t *tournament) replay(c []Candidate, i int) {
	for n := (t.half + i) / 2; n >= 1; n /= 2 {
		won := t.match(c, n)
		if won == t.node[n] && int(won) != i {
			return
		}
		t.node[n] = won
	}
}

// winner returns the lightest open candidate, -1 when all are closed.
func (t *tournament) winner(c []Candidate) int {
	w := t.node[1]
	if w < 0 || c[w].Weight == 0 {
		return -1
	}
	return int(w)
}
