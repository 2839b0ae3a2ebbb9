package upstream

import "testing"

// homes picks for keys 1 to n and returns where each went.
func homes(p Picker, c []Candidate, n int) []int {
	at := make([]int, n)
	for k := range at {
		at[k] = p.Pick(c, mix(uint64(k+1)))
	}
	return at
}

// A key stays where it is, in every gateway and in whatever order the
// candidates come, and moves only when its candidate goes, and back with it.
func TestHashKeepsKeysTogether(t *testing.T) {
	const n, picks = 10, 5000
	for name, weight := range map[string]func(i int) int32{
		"alike":   func(int) int32 { return 3 },
		"unalike": func(i int) int32 { return int32(1 + i%4) },
	} {
		t.Run(name, func(t *testing.T) {
			c, d := make([]Candidate, n), make([]Candidate, n)
			names, reversed := ids(n), make([]uint64, n)
			for i := range n {
				c[i].Weight, d[n-1-i].Weight, reversed[n-1-i] = weight(i), weight(i), names[i]
			}
			p, q := newHash(1), newHash(2)
			p.Arrange(c, names)
			q.Arrange(d, reversed)
			before, other := homes(p, c, picks), homes(q, d, picks)
			w := c[4].Weight
			c[4].Weight = 0
			p.Changed(c, 4)
			without := homes(p, c, picks)
			c[4].Weight = w
			p.Changed(c, 4)
			after := homes(p, c, picks)
			moved := map[int]bool{}
			for k := range before {
				if other[k] != n-1-before[k] {
					t.Fatalf("key %d: %d in one gateway, %d in another", k, before[k], n-1-other[k])
				}
				if without[k] == 4 || before[k] != 4 && without[k] != before[k] {
					t.Fatalf("key %d moved from %d to %d", k, before[k], without[k])
				}
				if after[k] != before[k] {
					t.Fatalf("key %d did not come back", k)
				}
				if before[k] == 4 {
					moved[without[k]] = true
				}
			}
			if len(moved) != n-1 {
				t.Errorf("the keys of one went to %d others, want all %d", len(moved), n-1)
			}
		})
	}
}

func TestHashWithoutKeyEvensOut(t *testing.T) {
	_, p := newPool(t, PoolSpec{Balance: "hash"}, instances(4)...)
	held := make([]Attempt, 8)
	for i := range held {
		p.Acquire(&held[i], t0)
	}
	for _, e := range p.eps {
		if e.InFlight() != 2 {
			t.Errorf("%s has %d in flight, want 2", e.Key(), e.InFlight())
		}
	}
}

func TestKeyStaysThroughThePool(t *testing.T) {
	s, p := newPool(t, PoolSpec{Balance: "hash"}, instances(20)...)
	a := Attempt{Key: 42}
	home, _ := p.Acquire(&a, t0)
	second, _ := p.Acquire(&a, t0) // as a retry does
	a.Release()
	if second == home {
		t.Fatal("the retry went to the same endpoint")
	}
	s.Apply(snapshot("consul", instances(30)[10:]...))
	s.Apply(snapshot("consul", instances(20)...))
	a = Attempt{Key: 42}
	if e, _ := p.Acquire(&a, t0); e.Key() != home.Key() {
		t.Errorf("the key moved from %s to %s", home.Key(), e.Key())
	}
	if e, _ := p.Acquire(&a, t0); e.Key() != second.Key() {
		t.Errorf("the retry moved from %s to %s", second.Key(), e.Key())
	}
	a.Release()
}
