package limits

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"
)

// A model says by definition, from a plain record of what was admitted and in
// rational numbers, whether a cost passes at a moment. Every field of the answer
// is then searched for rather than computed.
type model interface {
	admits(cost, t int64) bool
	delay(t int64) int64
	// fresh reports whether nothing admitted so far has any effect at t or
	// later.
	fresh(t int64) bool
	charge(cost, t int64) model
}

func modelOf(s Spec, l Limiter, key []byte) model {
	switch s := s.(type) {
	case TokenBucketSpec:
		return bucketModel{rate: unitsPerNano(s.Rate), burst: s.Burst, immediate: s.Burst, level: new(big.Rat)}
	case LeakyBucketSpec:
		m := bucketModel{rate: unitsPerNano(s.Rate), burst: s.Burst, immediate: s.Immediate, level: new(big.Rat)}
		if s.Queue == 0 {
			m.immediate = s.Burst
		}
		return m
	case FixedWindowSpec:
		edges := l.(interface{ edges([]byte) int64 }).edges(key)
		return windowModel{limit: s.Limit, part: int64(s.Window), edges: edges}
	case SlidingWindowSpec:
		switch s.Precision {
		case PrecisionLog:
			return windowModel{limit: s.Limit, part: 1, parts: int64(s.Window) - 1}
		case PrecisionBuckets:
			return windowModel{limit: s.Limit, part: ceilDiv(int64(s.Window), s.Buckets), parts: s.Buckets}
		}
		return windowModel{limit: s.Limit, part: int64(s.Window), parts: 1, fade: true}
	}
	return nil
}

// bucketModel has a level that sinks steadily.
type bucketModel struct {
	rate             *big.Rat
	burst, immediate int64
	level            *big.Rat // at moment since
	since            int64
}

// unitsPerNano is the rate as a meter keeps it, at most the one configured.
func unitsPerNano(r Rate) *big.Rat { return big.NewRat(1, int64(r.Interval())) }

func (m bucketModel) levelAt(t int64) *big.Rat {
	if m.level.Sign() == 0 {
		return new(big.Rat)
	}
	sunk := new(big.Rat).Mul(m.rate, new(big.Rat).SetInt64(t-m.since))
	level := sunk.Sub(m.level, sunk)
	if level.Sign() < 0 {
		return new(big.Rat)
	}
	return level
}

func (m bucketModel) admits(cost, t int64) bool {
	level := m.levelAt(t)
	return level.Add(level, new(big.Rat).SetInt64(cost)).Cmp(new(big.Rat).SetInt64(m.burst)) <= 0
}

func (m bucketModel) delay(t int64) int64 {
	over := m.levelAt(t)
	over.Sub(over, new(big.Rat).SetInt64(m.immediate))
	if over.Sign() <= 0 {
		return 0
	}
	return over.Quo(over, m.rate).Num().Int64()
}

func (m bucketModel) fresh(t int64) bool { return m.levelAt(t).Sign() == 0 }

func (m bucketModel) charge(cost, t int64) model {
	level := m.levelAt(t)
	m.level = level.Add(level, new(big.Rat).SetInt64(cost))
	m.since = t
	return m
}

// windowModel counts the units of the current part of the time line and of so
// many parts before. With fade the part before counts by how much of it is not
// yet a whole part ago.
type windowModel struct {
	limit, part, parts int64
	edges              int64 // lag of the time line
	fade               bool
	admitted           []int64 // the part of every unit
}

// now is the part at t, no older than any that was charged, and the time gone
// since it began.
func (m windowModel) now(t int64) (part, elapsed int64) {
	t -= m.edges
	part = t / m.part
	elapsed = t % m.part
	for _, p := range m.admitted {
		if p > part {
			part, elapsed = p, 0
		}
	}
	return part, elapsed
}

// weight is the sum of all that counts, times part.
func (m windowModel) weight(t int64) *big.Int {
	now, elapsed := m.now(t)
	var whole, fading int64
	for _, p := range m.admitted {
		switch {
		case p < now-m.parts:
		case p < now && m.fade:
			fading++
		default:
			whole++
		}
	}
	sum := new(big.Int).Mul(big.NewInt(whole), big.NewInt(m.part))
	return sum.Add(sum, new(big.Int).Mul(big.NewInt(fading), big.NewInt(m.part-elapsed)))
}

func (m windowModel) admits(cost, t int64) bool {
	sum := m.weight(t)
	room := new(big.Int).Mul(big.NewInt(m.limit-cost), big.NewInt(m.part))
	return sum.Cmp(room) <= 0
}

func (m windowModel) delay(int64) int64 { return 0 }

func (m windowModel) fresh(t int64) bool { return m.weight(t).Sign() == 0 }

func (m windowModel) charge(cost, t int64) model {
	now, _ := m.now(t)
	kept := slices.Clone(m.admitted)
	kept = slices.DeleteFunc(kept, func(p int64) bool { return p < now-m.parts-1 })
	for range cost {
		kept = append(kept, now)
	}
	m.admitted = kept
	return m
}

// ask searches for the answer to a request.
func ask(m model, s Spec, cost, t int64) (Decision, model) {
	var d Decision
	soonest := func(f func(t int64) bool) time.Duration {
		bound := int(grain(s))
		for !f(t + int64(bound)) {
			bound *= 2
		}
		return time.Duration(sort.Search(bound, func(d int) bool { return f(t + int64(d)) }))
	}
	after := m
	switch {
	case cost > s.Capacity():
		d.RetryAfter = Never
	case m.admits(cost, t):
		d.Allowed = true
		d.Delay = time.Duration(m.delay(t))
		if cost > 0 {
			after = m.charge(cost, t)
		}
	default:
		d.RetryAfter = soonest(func(t int64) bool { return m.admits(cost, t) })
	}
	for d.Remaining < s.Capacity() && after.admits(d.Remaining+1, t) {
		d.Remaining++
	}
	if d.Remaining < s.Capacity() {
		d.NextAfter = soonest(func(t int64) bool { return after.admits(d.Remaining+1, t) })
	}
	d.ResetAfter = soonest(after.fresh)
	return d, after
}

// TestAgainstModel compares every field of every answer with the definition.
// The clock steps back at times, too.
func TestAgainstModel(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 10, func(t *testing.T, r *rand.Rand) {
			key := []byte("key")
			l := s.New(Options{})
			m := modelOf(s, l, key)
			now := r.Int64N(10 * int64(s.Policy().Window))
			var last Decision
			for i := range 150 {
				now = walk(r, now, s, last)
				if r.IntN(12) == 0 {
					now = max(0, now-r.Int64N(2*int64(s.Policy().Window)))
				}
				cost := drawCost(r, s)
				want, after := ask(m, s, cost, now)
				if got := l.Peek(key, cost, at(now)); got != want {
					t.Fatalf("op %d: peek of %d at %d:\n got %+v\nwant %+v", i, cost, now, got, want)
				}
				if r.IntN(4) == 0 {
					continue
				}
				if got := l.Take(key, cost, at(now)); got != want {
					t.Fatalf("op %d: take of %d at %d:\n got %+v\nwant %+v", i, cost, now, got, want)
				}
				m, last = after, want
			}
		})
	})
}

// TestManyKeysAgainstModel has the store reclaim keys that have expired, which
// nobody must notice while time doesn't step back.
func TestManyKeysAgainstModel(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 5, func(t *testing.T, r *rand.Rand) {
			l := s.New(Options{})
			models := map[string]model{}
			var now int64
			var last Decision
			for i := range 200 {
				now = walk(r, now, s, last)
				key := []byte{byte('a' + r.IntN(20))}
				m, seen := models[string(key)]
				if !seen {
					m = modelOf(s, l, key)
				}
				cost := drawCost(r, s)
				want, after := ask(m, s, cost, now)
				if got := l.Take(key, cost, at(now)); got != want {
					t.Fatalf("op %d: take %d of %s at %d:\n got %+v\nwant %+v", i, cost, key, now, got, want)
				}
				models[string(key)], last = after, want
			}
		})
	})
}

// TestRefundAgainstModel refunds at once, which is as if the charge had never
// been.
func TestRefundAgainstModel(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 8, func(t *testing.T, r *rand.Rand) {
			key := []byte("key")
			l := s.New(Options{})
			m := modelOf(s, l, key)
			var now int64
			var last Decision
			for i := range 150 {
				now = walk(r, now, s, last)
				cost := drawCost(r, s)
				want, after := ask(m, s, cost, now)
				if got := l.Take(key, cost, at(now)); got != want {
					t.Fatalf("op %d: take %d at %d:\n got %+v\nwant %+v", i, cost, now, got, want)
				}
				if want.Allowed && r.IntN(2) == 0 {
					l.Refund(key, cost, at(now))
				} else {
					m = after
				}
				last = want
			}
		})
	})
}
