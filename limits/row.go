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

// rows are what a segment has of them at one time.
type rows []row

// makeRows makes enough rows for n keys.
func makeRows(n int) rows {
	rs := make(rows, (n+rowSlots-1)/rowSlots)
	for i := n; i < len(rs)*rowSlots; i++ {
		rs[len(rs)-1][i%rowSlots].digest.Store(closed)
	}
	return rs
}

// first and second are the two rows in which a key may be. Each takes bits of
// its own, and neither those that chose the segment.
func (rs rows) first(d digest) *row { return &rs[d.scale(32-partBits, len(rs))] }

func (rs rows) second(d digest) *row { return &rs[d.scale(0, len(rs))] }

// scale maps the 32 bits from the one given on to a number below n.
func (d digest) scale(from uint, n int) uint64 {
	return uint64(uint32(d>>from)) * uint64(n) >> 32 //nolint:gosec // G115: the cut is meant, and no length is negative
}

// find returns the slot of a key, or nil. There may be no rows at all.
func find(p *atomic.Pointer[rows], d digest) *slot {
	rs := p.Load()
	if rs == nil {
		return nil
	}
	return rs.find(d)
}

func (rs rows) find(d digest) *slot {
	if s := rs.first(d).find(d); s != nil {
		return s
	}
	return rs.second(d).find(d)
}

func (r *row) find(d digest) *slot {
	switch uint64(d) {
	case r[0].digest.Load():
		return &r[0]
	case r[1].digest.Load():
		return &r[1]
	case r[2].digest.Load():
		return &r[2]
	case r[3].digest.Load():
		return &r[3]
	}
	return nil
}
