package limits

import (
	"math"
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

	_ [24]byte
}

// find returns the slot of a key that is held, or nil. Without the lock, nil
// may also mean that the key is just being moved.
func (sg *segment[R]) find(d digest) *slot { return find(&sg.rows, d) }

// addLocked adds a key that isn't held. When there is no room, it takes the
// place of one that has spent the least: never of the oldest, or a flood of
// fresh keys would push out an exhausted one and give it a fresh budget. Unless
// it must, it gives way itself to keys that have spent no less.
func (sg *segment[R]) addLocked(r R, d digest, word, clock int64, must bool) {
	var rs rows
	if p := sg.rows.Load(); p != nil {
		rs = *p
	}
	if grown := sg.placeLocked(r, rs, d, word, clock, must); len(grown) != len(rs) {
		sg.publishLocked(grown)
	}
}

func (sg *segment[R]) publishLocked(rs rows) { sg.rows.Store(&rs) }

// placeLocked is addLocked for the rows given. It returns them, or more with the
// same keys.
func (sg *segment[R]) placeLocked(r R, rs rows, d digest, word, clock int64, must bool) rows {
	for {
		if s := sg.roomLocked(r, rs, d, clock); s != nil {
			s.put(d, word)
			return rs
		}
		if len(rs)*rowSlots < sg.limit {
			rs = sg.growLocked(r, rs, clock)
			continue
		}
		s, spent := leastSpent(r, rs, d, clock)
		if !must && r.debt(spent, clock-r.lag(digest(s.digest.Load()))) >= r.debt(word, clock-r.lag(d)) {
			return rs
		}
		if s.word.CompareAndSwap(spent, moved) { // else its owner has just spent more
			s.put(d, word)
			return rs
		}
	}
}

// roomLocked finds and claims a slot for a key, or returns nil.
func (sg *segment[R]) roomLocked(r R, rs rows, d digest, clock int64) *slot {
	if len(rs) == 0 {
		return nil
	}
	for {
		s, n := free(r, rs.first(d), clock)
		if t, m := free(r, rs.second(d), clock); m > n {
			s = t
		}
		if s == nil {
			break
		}
		if sg.claimLocked(r, s, clock) {
			return s
		}
	}
	if sg.used == min(sg.limit, len(rs)*rowSlots) {
		return nil
	}
	for steps := range displacements {
		if s := sg.displaceLocked(r, rs, rs.first(d), clock, steps); s != nil {
			return s
		}
		if s := sg.displaceLocked(r, rs, rs.second(d), clock, steps); s != nil {
			return s
		}
	}
	return nil
}

// displacements is how many keys may have to move to make room for another. With
// two, a table fills to nine tenths before one key in a thousand finds no room,
// and it grows or gives up another.
const displacements = 2

// free counts the slots of a row that could be claimed and returns one of them,
// rather one to reclaim than one that was never used.
func free[R rules[int64, R]](r R, in *row, clock int64) (s *slot, n int) {
	for i := range in {
		switch d := in[i].digest.Load(); {
		case d == vacant:
			if s == nil {
				s = &in[i]
			}
			n++
		case d != closed && ends(r, digest(d), in[i].word.Load()) <= clock:
			s = &in[i]
			n++
		}
	}
	return s, n
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
func (sg *segment[R]) displaceLocked(r R, rs rows, from *row, clock int64, steps int) *slot {
	for i := range from {
		s := &from[i]
		d := digest(s.digest.Load())
		if d == closed {
			continue
		}
		other := rs.first(d)
		if other == from {
			other = rs.second(d)
		}
		t, _ := free(r, other, clock)
		switch {
		case t != nil && !sg.claimLocked(r, t, clock):
			continue
		case t == nil && steps == 0 || other == from:
			continue
		case t == nil:
			if t = sg.displaceLocked(r, rs, other, clock, steps-1); t == nil {
				continue
			}
		}
		t.put(d, s.word.Swap(moved))
		return s
	}
	return nil
}

// leastSpent picks, of the keys in the two rows where d may be, the one with the
// least debt. There is at least one.
func leastSpent[R rules[int64, R]](r R, rs rows, d digest, clock int64) (s *slot, word int64) {
	least := int64(math.MaxInt64)
	for _, in := range []*row{rs.first(d), rs.second(d)} {
		for i := range in {
			d := digest(in[i].digest.Load())
			if d == closed {
				continue
			}
			w := in[i].word.Load()
			if debt := r.debt(w, clock-r.lag(d)); s == nil || debt < least {
				s, word, least = &in[i], w, debt
			}
		}
	}
	return s, word
}

// growLocked moves all keys that count to half as many rows again. Whoever finds
// a word moved meanwhile waits for the lock.
func (sg *segment[R]) growLocked(r R, rs rows, clock int64) rows {
	grown := makeRows(min(sg.limit, (len(rs)+len(rs)/2+1)*rowSlots))
	sg.used = 0
	for i := range rs {
		for j := range rs[i] {
			if d, word, ok := sg.takeLocked(r, &rs[i][j], clock); ok {
				grown = sg.placeLocked(r, grown, d, word, clock, false)
			}
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
