package limits

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// table is a Limiter for rules whose state is one word, int64. It is divided
// into segments by the first bits of the digest, and a key is in one of two rows
// of its segment.
//
// Of a key that is held, Take loads one row, or two, and swaps one word; a
// denial writes nothing. All else goes by decide, under a segment's lock. The
// types that embed a table do the first with their own arithmetic laid open to
// the compiler.
type table[R rules[int64, R]] struct {
	spec     Spec
	options  Options
	rules    R
	seed     seed
	segments []segment[R]
	// outer is the Limiter of which this table is the store.
	outer adoptable

	handing sync.Mutex // held while the keys move to the heir
	heir    atomic.Pointer[table[R]]
}

// init makes an empty table in place. The table must not be copied afterwards.
func (t *table[R]) init(outer adoptable, spec Spec, r R, o Options) {
	t.spec, t.options, t.rules, t.outer = spec, o.withDefaults(), r, outer
	t.seed = newSeed()
	limits := divide(t.options.MaxKeys)
	t.segments = make([]segment[R], len(limits))
	for i := range t.segments {
		t.segments[i].horizon = noHorizon
		t.segments[i].limit = limits[i]
	}
}

const (
	fewestPerPart = 1 << 10 // a part fills up alone, so none is small
	mostPerPart   = 1 << 14 // one that grows keeps others waiting, about a millisecond
	usualParts    = 64
	maxParts      = 1 << partBits
)

// divide spreads a bound on keys over a number of parts that is a power of two.
func divide(maxKeys int) []int {
	n := min(maxKeys/fewestPerPart, max(usualParts, maxKeys/mostPerPart), maxParts)
	n = max(n, 1)
	parts := make([]int, 1<<(bits.Len(uint(n))-1))
	for i := range parts {
		parts[i] = maxKeys / len(parts)
		if i < maxKeys%len(parts) {
			parts[i]++
		}
	}
	return parts
}

func (t *table[R]) segment(d digest) *segment[R] { return &t.segments[d.part(len(t.segments))] }

// decide answers under the lock of the key's segment, and charges what it allows
// if asked to.
func (t *table[R]) decide(d digest, cost int64, now Time, charge bool) Decision {
	cost = max(cost, 0)
	charge = charge && cost > 0
	sg := t.segment(d)
	sg.mu.Lock()
	if heir := sg.heir; heir != nil {
		sg.mu.Unlock()
		return heir.decide(d, cost, now, charge)
	}
	defer sg.mu.Unlock()
	clock := t.rules.clock(now)
	at := clock - t.rules.lag(d)
	if s := sg.find(d); s != nil {
		for {
			word := s.word.Load()
			answer := t.rules.decide(word, cost, at)
			if !charge || !answer.Allowed || s.word.CompareAndSwap(word, t.rules.charge(word, cost, at)) {
				return answer
			}
		}
	}
	word := t.rules.fresh(sg.horizon - t.rules.lag(d))
	answer := t.rules.decide(word, cost, at)
	if charge && answer.Allowed {
		sg.addLocked(t.rules, d, t.rules.charge(word, cost, at), clock, true)
	}
	return answer
}

// charged tells, after a swap in s that is not certain, whether it charged d. Then
// the word of d has got as far as next, for words only grow, but for refunds; or d
// is gone, and has nothing left to be charged. If not, the swap hit the key that
// has got the slot, which is given back what it was charged.
func (t *table[R]) charged(s *slot, d digest, next, cost int64, now Time) bool {
	sg := t.segment(d)
	sg.mu.Lock()
	defer sg.mu.Unlock()
	if sg.heir != nil {
		return false // by other numbers now: rather twice than not at all
	}
	if own := sg.find(d); own == nil || own.word.Load() >= next {
		return true
	}
	at := t.rules.clock(now) - t.rules.lag(digest(s.digest.Load()))
	for word := s.word.Load(); word >= next; word = s.word.Load() {
		if s.word.CompareAndSwap(word, t.rules.refund(word, cost, at)) {
			break
		}
	}
	return false
}

// Refund holds the lock, so that the slot can't change hands and another key be
// given what this one spent.
func (t *table[R]) Refund(key []byte, cost int64, now Time) {
	if cost > 0 {
		t.refund(t.seed.digest(key), cost, now)
	}
}

func (t *table[R]) refund(d digest, cost int64, now Time) {
	sg := t.segment(d)
	sg.mu.Lock()
	if heir := sg.heir; heir != nil {
		sg.mu.Unlock()
		heir.refund(d, cost, now)
		return
	}
	defer sg.mu.Unlock()
	s := sg.find(d)
	if s == nil {
		return
	}
	at := t.rules.clock(now) - t.rules.lag(d)
	for {
		word := s.word.Load()
		if s.word.CompareAndSwap(word, t.rules.refund(word, cost, at)) {
			return
		}
	}
}

// Policy implements Limiter.
func (t *table[R]) Policy() Policy { return t.latest().spec.Policy() }

// Keys implements Limiter.
func (t *table[R]) Keys() int {
	t = t.latest()
	n := 0
	for i := range t.segments {
		sg := &t.segments[i]
		sg.mu.Lock()
		n += sg.used
		sg.mu.Unlock()
	}
	return n
}

// Top implements Limiter.
func (t *table[R]) Top(n int, now Time) []KeyUsage {
	t = t.latest()
	clock := t.rules.clock(now)
	top := ranking{most: n}
	for i := range t.segments {
		t.segments[i].each(func(d digest, word int64) {
			if ends(t.rules, d, word) > clock {
				top.add(d, t.rules.decide(word, 0, clock-t.rules.lag(d)))
			}
		})
	}
	return top.list()
}

// each calls f for every key held, with the lock held.
func (sg *segment[R]) each(f func(d digest, word int64)) {
	sg.mu.Lock()
	defer sg.mu.Unlock()
	p := sg.rows.Load()
	if p == nil {
		return
	}
	for i := range *p {
		for j := range (*p)[i] {
			s := &(*p)[i][j]
			if d := s.digest.Load(); d != vacant && d != closed {
				f(digest(d), s.word.Load())
			}
		}
	}
}
