package limits

import (
	"sync"
	"sync/atomic"
)

// segment holds a part of a table's keys, at most limit of them. Whoever finds a
// key and its word needs no lock; only keys that come, go or move do, and a
// segment that grows keeps nobody waiting who asks about another.
type segment[R rules[int64, R]] struct {
	// rows is nil as long as no key was charged, and once the keys have been
	// handed to an heir.
	rows atomic.Pointer[rows]

	_ [56]byte // keeps what is written apart from what everybody reads

	mu    sync.Mutex
	limit int
	used  int // slots that are neither vacant nor closed
	// horizon is the latest expiry of the keys that were reclaimed, on the
	// rules' clock. A key that isn't held might be one of them, which matters
	// to a caller whose moment is earlier than that.
	horizon int64
	// heir is where the keys went when a reload handed them over.
	heir *table[R]
	// counting is nil for rules whose state is a word and nothing else.
	counting counting[R]

	_ [8]byte
}

// find returns the slot of a key that is held, or nil. Without the lock, nil
// may also mean that the key is just being moved.
func (sg *segment[R]) find(d digest) *slot {
	if rs := sg.rows.Load(); rs != nil {
		return rs.find(d)
	}
	return nil
}

// stride is how many counts lie beside a slot.
func (sg *segment[R]) stride() int {
	if sg.counting == nil {
		return 0
	}
	return sg.counting.stride()
}

// debt ranks keys by how much they have spent.
func (sg *segment[R]) debt(r R, d digest, word int64, c counts, clock int64) int64 {
	if sg.counting == nil {
		return r.debt(word, clock-r.lag(d))
	}
	return sg.counting.spent(word, c, clock-r.lag(d))
}

// addLocked adds a key that isn't held. When there is no room, it takes the
// place of one that has spent the least: never of the oldest, or a flood of
// fresh keys would push out an exhausted one and give it a fresh budget. Unless
// it must, it gives way itself to keys that have spent no less.
func (sg *segment[R]) addLocked(r R, d digest, word, clock int64, must bool) {
	sg.addCountsLocked(r, d, word, nil, clock, must)
}

// addCountsLocked is addLocked for a word with counts beside it.
func (sg *segment[R]) addCountsLocked(r R, d digest, word int64, c counts, clock int64, must bool) {
	rs := sg.rows.Load()
	if grown := sg.placeLocked(r, rs, d, word, c, clock, must); grown != rs {
		sg.rows.Store(grown)
	}
}

// placeLocked is addLocked for the rows given. It returns them, or more with the
// same keys.
func (sg *segment[R]) placeLocked(r R, rs *rows, d digest, word int64, c counts, clock int64, must bool) *rows {
	for {
		if s, ok := sg.roomLocked(r, rs, d, clock); ok {
			s.put(d, word, c)
			return rs
		}
		if rs == nil || rs.slots() < sg.limit {
			rs = sg.growLocked(r, rs, clock)
			continue
		}
		s, spent, debt := sg.leastSpent(r, rs, d, clock)
		if !must && debt >= sg.debt(r, d, word, c, clock) {
			return rs
		}
		if s.word.CompareAndSwap(spent, moved) { // else its owner has just spent more
			s.put(d, word, c)
			return rs
		}
	}
}

// roomLocked finds and claims a slot for a key; false if there is none.
func (sg *segment[R]) roomLocked(r R, rs *rows, d digest, clock int64) (spot, bool) {
	if rs == nil {
		return spot{}, false
	}
	for {
		row := rs.first(d)
		i, n := free(r, &rs.lines[row], clock)
		if j, m := free(r, &rs.lines[rs.second(d)], clock); m > n {
			row, i, n = rs.second(d), j, m
		}
		if n == 0 {
			break
		}
		if s := rs.spot(row, i); sg.claimLocked(r, s.slot, clock) {
			return s, true
		}
	}
	if sg.used == min(sg.limit, rs.slots()) {
		return spot{}, false
	}
	for steps := range displacements {
		if s, ok := sg.displaceLocked(r, rs, rs.first(d), clock, steps); ok {
			return s, true
		}
		if s, ok := sg.displaceLocked(r, rs, rs.second(d), clock, steps); ok {
			return s, true
		}
	}
	return spot{}, false
}

// displacements is how many keys may have to move to make room for another. With
// two, a table fills to nine tenths before one key in a thousand finds no room,
// and it grows or gives up another.
const displacements = 2

// free counts the slots of a row that could be claimed and returns the number of
// one of them, rather one to reclaim than one that was never used.
func free[R rules[int64, R]](r R, in *row, clock int64) (slot, n int) {
	for i := range in {
		switch d := in[i].digest.Load(); {
		case d == vacant:
			if n == 0 {
				slot = i
			}
			n++
		case d != closed && ends(r, digest(d), in[i].word.Load()) <= clock:
			slot = i
			n++
		}
	}
	return slot, n
}

// ends is when a key is as if never seen, on the rules' clock.
func ends[R rules[int64, R]](r R, d digest, word int64) int64 { return r.expiry(word) + r.lag(d) }

// claimLocked makes a slot's word moved, unless its owner has spent again since
// the slot was seen to be free.
func (sg *segment[R]) claimLocked(r R, s *slot, clock int64) bool {
	d := s.digest.Load()
	if d == vacant {
		s.word.Store(moved)
		sg.used++
		return true
	}
	word := s.word.Load()
	end := ends(r, digest(d), word)
	if end > clock || !s.word.CompareAndSwap(word, moved) {
		return false
	}
	sg.horizon = max(sg.horizon, end)
	return true
}

// displaceLocked moves one of a full row's keys to the other row where it may be,
// and returns the slot that becomes free by it. If that row is full, too, it is
// made to give up one in the same way, with so many steps left.
func (sg *segment[R]) displaceLocked(r R, rs *rows, from uint64, clock int64, steps int) (spot, bool) {
	for i := range rowSlots {
		s := rs.spot(from, i)
		d := digest(s.digest.Load())
		if d == closed {
			continue
		}
		other := rs.first(d)
		if other == from {
			other = rs.second(d)
		}
		j, n := free(r, &rs.lines[other], clock)
		t := rs.spot(other, j)
		switch {
		case n > 0 && !sg.claimLocked(r, t.slot, clock):
			continue
		case n == 0 && steps == 0 || other == from:
			continue
		case n == 0:
			var ok bool
			if t, ok = sg.displaceLocked(r, rs, other, clock, steps-1); !ok {
				continue
			}
		}
		t.put(d, s.word.Swap(moved), s.counts)
		return s, true
	}
	return spot{}, false
}

// leastSpent picks, of the keys in the two rows where d may be, the one with the
// least debt. There is at least one.
func (sg *segment[R]) leastSpent(r R, rs *rows, d digest, clock int64) (s spot, word, least int64) {
	for _, n := range []uint64{rs.first(d), rs.second(d)} {
		for i := range rowSlots {
			t := rs.spot(n, i)
			d := digest(t.digest.Load())
			if d == closed {
				continue
			}
			w := t.word.Load()
			if debt := sg.debt(r, d, w, t.counts, clock); s.slot == nil || debt < least {
				s, word, least = t, w, debt
			}
		}
	}
	return s, word, least
}

// growLocked moves all keys that count to half as many rows again. Whoever finds
// a word moved meanwhile waits for the lock.
func (sg *segment[R]) growLocked(r R, rs *rows, clock int64) *rows {
	n := 0
	if rs != nil {
		n = len(rs.lines)
	}
	grown := makeRows(min(sg.limit, (n+n/2+1)*rowSlots), sg.stride())
	sg.used = 0
	for i := range n * rowSlots {
		s := rs.spot(unsigned(int64(i/rowSlots)), i%rowSlots)
		if d, word, ok := sg.takeLocked(r, s.slot, clock); ok {
			grown = sg.placeLocked(r, grown, d, word, s.counts, clock, false)
		}
	}
	return grown
}

// takeLocked takes what a slot holds out of it, if it counts at all.
func (sg *segment[R]) takeLocked(r R, s *slot, clock int64) (d digest, word int64, ok bool) {
	d = digest(s.digest.Load())
	if d == vacant || d == closed {
		return 0, 0, false
	}
	word = s.word.Swap(moved)
	if end := ends(r, d, word); end <= clock {
		sg.horizon = max(sg.horizon, end)
		return 0, 0, false
	}
	return d, word, true
}

// each calls f for every key held, with the lock held.
func (sg *segment[R]) each(f func(s spot)) {
	sg.mu.Lock()
	defer sg.mu.Unlock()
	sg.eachLocked(f)
}

func (sg *segment[R]) eachLocked(f func(s spot)) {
	rs := sg.rows.Load()
	if rs == nil {
		return
	}
	for n := range uint64(len(rs.lines)) {
		for i := range rowSlots {
			s := rs.spot(n, i)
			if d := s.digest.Load(); d != vacant && d != closed {
				f(s)
			}
		}
	}
}
