package limits

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// counting are rules whose state is more than a word: counts lie beside it. The
// word is what changes with most charges. As rules they decide on a key beside
// whose word all counts are 0.
type counting[R any] interface {
	// stride is how many counts lie beside a word, and may be 0.
	stride() int
	// answer is decide, with counts.
	answer(word int64, c counts, cost, at int64) Decision
	// spent is debt, with counts.
	spent(word int64, c counts, at int64) int64
	// turns says that before a charge at this moment the counts have to change,
	// and turn changes them.
	turns(word, at int64) bool
	turn(word int64, c counts, at int64) int64
	// giveBack is refund, with counts, which it may change.
	giveBack(word int64, c counts, cost, at int64) int64
	// succeed is inherit, with counts, and writes those of the new state.
	succeed(from R, word int64, c counts, was, at int64, next counts) int64
}

// table is a Limiter for rules whose state is one word, int64, or one word and
// counts that change with few charges. It is divided
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
	counting counting[R] // the rules once more, if counts lie beside the words
	// outer is the Limiter of which this table is the store.
	outer adoptable

	handing sync.Mutex // held while the keys move to the heir
	heir    atomic.Pointer[table[R]]
}

// init makes an empty table in place. The table must not be copied afterwards.
func (t *table[R]) init(outer adoptable, spec Spec, r R, o Options) {
	t.spec, t.options, t.rules, t.outer = spec, o.withDefaults(), r, outer
	t.seed = newSeed()
	t.counting, _ = any(r).(counting[R])
	limits := divide(t.options.MaxKeys)
	t.segments = make([]segment[R], len(limits))
	for i := range t.segments {
		t.segments[i].horizon = noHorizon
		t.segments[i].limit = limits[i]
		t.segments[i].counting = t.counting
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
	if s, ok := sg.rows.Load().findSpot(d); ok {
		for {
			word := s.word.Load()
			answer := t.answer(word, s.counts, cost, at)
			if !charge || !answer.Allowed || t.chargeLocked(s, word, cost, at) {
				return answer
			}
		}
	}
	word := t.rules.fresh(sg.horizon - t.rules.lag(d))
	answer := t.rules.decide(word, cost, at)
	if charge && answer.Allowed {
		if t.counting != nil {
			word = t.counting.turn(word, nil, at)
		}
		sg.addLocked(t.rules, d, t.rules.charge(word, cost, at), clock, true)
	}
	return answer
}

func (t *table[R]) answer(word int64, c counts, cost, at int64) Decision {
	if t.counting != nil {
		return t.counting.answer(word, c, cost, at)
	}
	return t.rules.decide(word, cost, at)
}

// chargeLocked reports false if somebody else was faster.
func (t *table[R]) chargeLocked(s spot, word, cost, at int64) bool {
	if t.counting == nil || !t.counting.turns(word, at) {
		return s.word.CompareAndSwap(word, t.rules.charge(word, cost, at))
	}
	if !s.word.CompareAndSwap(word, moved) {
		return false
	}
	s.word.Store(t.rules.charge(t.counting.turn(word, s.counts, at), cost, at))
	return true
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
	s, ok := sg.rows.Load().findSpot(d)
	if !ok {
		return
	}
	at := t.rules.clock(now) - t.rules.lag(d)
	if t.counting != nil {
		s.word.Store(t.counting.giveBack(s.word.Swap(moved), s.counts, cost, at))
		return
	}
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
		t.segments[i].each(func(s spot) {
			d, word := digest(s.digest.Load()), s.word.Load()
			if ends(t.rules, d, word) > clock {
				top.add(d, t.answer(word, s.counts, 0, clock-t.rules.lag(d)))
			}
		})
	}
	return top.list()
}
