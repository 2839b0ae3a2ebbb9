package limits

import (
	"math"
	"sync/atomic"
)

// row is a cache line of 64 bytes: four keys and the one word that is known of
// each. A table of them has no pointers, so the garbage collector never looks
// inside.
type row [rowSlots]slot

const rowSlots = 4

// slot holds a key. Its digest is written by the holder of the segment's lock
// only; its word by anybody, who compares and swaps it.
//
// A word that is moved has been taken away: the key is on its way to another
// slot, another table, or out of the store, and whoever finds that asks again
// under the lock. A slot changes hands by the steps
//
//	word = moved, digest = new, word = new
//
// in this order, so whoever loads the digest, the word and the same digest again
// has a word that belongs to it. Whoever swaps a word looks at the digest once
// more. If the slot has changed hands, that was nearly always just after the
// swap, and the charge went along with the key; but it may have been just before,
// and the new owner have got the very same word. The key's word tells, wherever
// it is now: it has got at least as far as the charge. If not, the charge is made
// again where it belongs, and the new owner gets it back (see charged). Only a
// third coincidence in those nanoseconds, another charge or another owner, leaves
// one unit with the wrong key.
type slot struct {
	digest atomic.Uint64
	word   atomic.Int64
}

const (
	// vacant, in place of a digest, marks a slot that was never used.
	vacant = 0
	// closed marks one that must not be, because the bound on keys is no
	// multiple of a row.
	closed = 2
	// moved is before any moment and less than any count.
	moved = math.MinInt64
)

// put fills a slot whose word is moved.
func (s *slot) put(d digest, word int64) {
	s.digest.Store(uint64(d))
	s.word.Store(word)
}

// load returns the word of the slot, or moved if it isn't that of d any more.
func (s *slot) load(d digest) int64 {
	if word := s.word.Load(); s.digest.Load() == uint64(d) {
		return word
	}
	return moved
}

// swap replaces the word. Certain says that it was that of d, rather than that of
// a key that was given the slot meanwhile.
func (s *slot) swap(d digest, old, next int64) (swapped, certain bool) {
	if !s.word.CompareAndSwap(old, next) {
		return false, false
	}
	return true, s.digest.Load() == uint64(d)
}

// counts lie beside a key's word where the word isn't all that is known of it.
// They are written by the holder of the segment's lock only, and only while the
// word is moved; so whoever loads the word, the counts and the same word again
// has counts that belong to it. That is a lock by sequence whose number is the
// word.
type counts []atomic.Uint32

// spot is a slot and what lies beside it.
type spot struct {
	*slot
	counts counts
}

// put fills a slot whose word is moved.
func (s spot) put(d digest, word int64, from counts) {
	for i := range s.counts {
		var n uint32
		if i < len(from) {
			n = from[i].Load()
		}
		if s.counts[i].Load() != n {
			s.counts[i].Store(n)
		}
	}
	s.slot.put(d, word)
}

// rows are what a segment has of them at one time.
type rows struct {
	lines  []row
	counts counts
	stride int // counts beside every slot
}

// makeRows makes enough rows for n keys.
func makeRows(n, stride int) *rows {
	rs := &rows{lines: make([]row, (n+rowSlots-1)/rowSlots), stride: stride}
	rs.counts = make(counts, rs.slots()*stride)
	for i := n; i < rs.slots(); i++ {
		rs.lines[len(rs.lines)-1][i%rowSlots].digest.Store(closed)
	}
	return rs
}

// slots is how many there are, closed ones included.
func (rs *rows) slots() int { return len(rs.lines) * rowSlots }

// first and second are the numbers of the two rows in which a key may be. Each
// takes bits of its own, and neither those that chose the segment.
func (rs *rows) first(d digest) uint64 { return d.scale(32-partBits, len(rs.lines)) }

func (rs *rows) second(d digest) uint64 { return d.scale(0, len(rs.lines)) }

// scale maps the 32 bits from the one given on to a number below n.
func (d digest) scale(from uint, n int) uint64 {
	return uint64(uint32(d>>from)) * uint64(n) >> 32 //nolint:gosec // G115: the cut is meant, and no length is negative
}

// spot is slot i of row n.
func (rs *rows) spot(n uint64, i int) spot {
	at := (int(n)*rowSlots + i) * rs.stride //nolint:gosec // G115: n is less than a length
	return spot{&rs.lines[n][i], rs.counts[at : at+rs.stride : at+rs.stride]}
}

// find returns the slot of a key, or nil.
func (rs *rows) find(d digest) *slot {
	n := rs.first(d)
	i := rs.lines[n].find(d)
	if i < 0 {
		n = rs.second(d)
		i = rs.lines[n].find(d)
	}
	if i < 0 {
		return nil
	}
	return &rs.lines[n][i]
}

// findSpot is find with what lies beside the slot; false if there is none.
func (rs *rows) findSpot(d digest) (spot, bool) {
	if rs == nil {
		return spot{}, false
	}
	n := rs.first(d)
	i := rs.lines[n].find(d)
	if i < 0 {
		n = rs.second(d)
		i = rs.lines[n].find(d)
	}
	if i < 0 {
		return spot{}, false
	}
	return rs.spot(n, i), true
}

// find returns the number of a key's slot, or -1.
func (r *row) find(d digest) int {
	switch uint64(d) {
	case r[0].digest.Load():
		return 0
	case r[1].digest.Load():
		return 1
	case r[2].digest.Load():
		return 2
	case r[3].digest.Load():
		return 3
	}
	return -1
}
