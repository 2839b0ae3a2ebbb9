package limits

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestConcurrentChurnIsExact charges some keys from all sides while ever new ones
// push through a store that is full. Whoever has spent more than a newcomer is never
// given up, so of each key exactly as many units pass as may.
func TestConcurrentChurnIsExact(t *testing.T) {
	const capacity, hot, spent, most = 60, 10, 2, 300
	now := at(int64(90 * time.Minute))
	log := SlidingWindowSpec{Limit: capacity, Window: time.Hour, Precision: PrecisionLog}
	for _, s := range append(tabled(capacity), log) {
		l := s.New(Options{MaxKeys: most})
		for i := range hot {
			if !l.Take([]byte{byte(i)}, spent, now).Allowed {
				t.Fatal("denied")
			}
		}
		var passed [hot]atomic.Int64
		crowd(func(caller int) {
			r := rand.New(rand.NewPCG(uint64(caller), 11))
			for i := range 2500 {
				if !l.Take(number(caller<<32|i), 1, now).Allowed {
					t.Errorf("%+v: a fresh key was refused", s)
					return
				}
				n := r.IntN(hot)
				d := l.Take([]byte{byte(n)}, 1, now)
				if d.Allowed {
					passed[n].Add(1)
				}
				if d.Allowed == (d.RetryAfter > 0) {
					t.Errorf("%+v: %+v", s, d)
				}
				if i%8 == 0 {
					runtime.Gosched()
				}
			}
		})
		for i := range passed {
			for l.Take([]byte{byte(i)}, 1, now).Allowed {
				passed[i].Add(1)
			}
			if n := passed[i].Load(); n != capacity-spent {
				t.Errorf("%+v: %d units of key %d passed, want %d", s, n, i, capacity-spent)
			}
		}
		if n := l.Keys(); n > most {
			t.Errorf("%+v: %d keys", s, n)
		}
	}
}

// TestConcurrentTurnsAreExact has a crowd meet at every edge of a window, or of its
// parts, where what lies beside the word changes. In every part as many units pass
// as do for one caller alone, and nobody reads counts that are half old, half new.
func TestConcurrentTurnsAreExact(t *testing.T) {
	const limit, steps = 64, 300
	for _, s := range []Spec{
		SlidingWindowSpec{Limit: limit, Window: time.Hour, Precision: PrecisionCounter},
		SlidingWindowSpec{Limit: limit, Window: 100, Precision: PrecisionCounter}, // with counts beside the word
		SlidingWindowSpec{Limit: limit, Window: 400, Precision: PrecisionBuckets, Buckets: 4},
		FixedWindowSpec{Limit: limit, Window: time.Hour},
	} {
		width := int64(s.Policy().Window) / 4
		alone, l := s.New(Options{}), s.New(Options{})
		key := []byte("key")
		var want [steps]int64
		for i := range want {
			for alone.Take(key, 1, at(int64(i)*width)).Allowed {
				want[i]++
			}
		}
		var got [steps]atomic.Int64
		var here atomic.Int64
		crowd(func(int) {
			for i := range got {
				here.Add(1)
				for here.Load() < int64(callers*(i+1)) {
					runtime.Gosched()
				}
				now := at(int64(i) * width)
				for {
					d := l.Take(key, 1, now)
					if !d.Allowed {
						break
					}
					if d.Remaining < 0 || d.Remaining >= limit || d.ResetAfter < d.NextAfter {
						t.Errorf("%+v at step %d: %+v", s, i, d)
					}
					got[i].Add(1)
				}
			}
		})
		for i := range got {
			if n := got[i].Load(); n != want[i] {
				t.Fatalf("%+v: %d passed at step %d, want %d", s, n, i, want[i])
			}
		}
	}
}

// TestMemoryStaysUnderItsCap floods stores of several sizes with ten times as many
// keys as they hold, each spent in full, and adds up what they take.
func TestMemoryStaysUnderItsCap(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		for _, most := range []int{1, 100, 3000} {
			l := s.New(Options{MaxKeys: most})
			for i := range 10 * most {
				l.Take(number(i), 1+int64(i)%s.Capacity(), at(0))
			}
			sized := l.(interface{ bytes() (held, each int) })
			held, each := sized.bytes()
			// A row may have slots that are closed, and what grows has room to spare.
			if parts := len(l.(interface{ bounds() []int }).bounds()); held > (2*most+parts*rowSlots)*each {
				t.Errorf("%d keys: %d bytes, of %d a key", most, held, each)
			}
		}
	})
}

// bytes is what the keys take, and the most that one may.
func (t *table[R]) bytes() (held, each int) {
	for i := range t.segments {
		each = 16 + 4*t.segments[i].stride()
		if rs := t.segments[i].rows.Load(); rs != nil {
			held += rs.slots()*16 + len(rs.counts)*4
		}
	}
	return held, each
}

func (k *keyed[S, R]) bytes() (held, each int) {
	each = 64 // an entry and its share of the map
	for i := range k.shards {
		held += cap(k.shards[i].entries) * each
		for _, e := range k.shards[i].entries {
			if log, ok := any(e.state).(logState); ok {
				held += 8 * cap(log.ring)
			}
		}
	}
	if r, ok := any(k.rules).(slidingLog); ok {
		each += 8 * int(max(4, 2*r.limit))
	}
	return held, each
}
