package limits

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// at is a moment at which both clocks read the same.
func at(t int64) Time { return Time{Mono: time.Duration(t), Wall: time.Duration(t)} }

// cases lists the Specs that every property is tested with, some so narrow that
// edges are met all the time. The conformance test fails for an algorithm that
// has none.
func cases() []Spec {
	return []Spec{
		TokenBucketSpec{Rate: Rate{Count: 1, Window: 7}, Burst: 1},
		TokenBucketSpec{Rate: Rate{Count: 3, Window: 10}, Burst: 4},
		TokenBucketSpec{Rate: Rate{Count: 100, Window: time.Second}, Burst: 20},
		TokenBucketSpec{Rate: Rate{Count: 10_000, Window: time.Hour}, Burst: 50},

		LeakyBucketSpec{Rate: Rate{Count: 1, Window: 10}, Burst: 1},
		LeakyBucketSpec{Rate: Rate{Count: 7, Window: time.Second}, Burst: 5},
		LeakyBucketSpec{Rate: Rate{Count: 1, Window: 10}, Burst: 4, Queue: 3},
		LeakyBucketSpec{Rate: Rate{Count: 50, Window: time.Second}, Burst: 21, Queue: 20, Immediate: 5},

		FixedWindowSpec{Limit: 1, Window: 5},
		FixedWindowSpec{Limit: 6, Window: 11, Offset: 3},
		FixedWindowSpec{Limit: 30, Window: time.Minute, Offset: 20 * time.Second},
		FixedWindowSpec{Limit: 4, Window: 9, ByKey: true},

		SlidingWindowSpec{Limit: 1, Window: 6, Precision: PrecisionCounter},
		SlidingWindowSpec{Limit: 5, Window: 13, Precision: PrecisionCounter},
		SlidingWindowSpec{Limit: 40, Window: time.Hour, Precision: PrecisionCounter},

		SlidingWindowSpec{Limit: 1, Window: 6, Precision: PrecisionLog},
		SlidingWindowSpec{Limit: 7, Window: 12, Precision: PrecisionLog},
		SlidingWindowSpec{Limit: 25, Window: time.Minute, Precision: PrecisionLog},

		SlidingWindowSpec{Limit: 1, Window: 6, Precision: PrecisionBuckets, Buckets: 2},
		SlidingWindowSpec{Limit: 6, Window: 20, Precision: PrecisionBuckets, Buckets: 3},
		SlidingWindowSpec{Limit: 30, Window: time.Minute, Precision: PrecisionBuckets, Buckets: 10},
	}
}

// eachCase runs a subtest for every Spec.
func eachCase(t *testing.T, f func(t *testing.T, s Spec)) {
	t.Helper()
	for _, s := range cases() {
		t.Run(fmt.Sprintf("%s%+v", s.Algorithm(), s), func(t *testing.T) { f(t, s) })
	}
}

// grain is a span in which about one unit comes back: the scale of the random
// steps.
func grain(s Spec) int64 {
	p := s.Policy()
	return max(1, int64(p.Window)/p.Quota)
}

// eachSeed runs f with some random streams, the same ones every time.
func eachSeed(t *testing.T, n int, f func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	for seed := range n {
		f(t, rand.New(rand.NewPCG(uint64(seed), 1)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// walk draws the next moment: mostly a little later, often exactly at, or a
// nanosecond before, one that the last answer named.
func walk(r *rand.Rand, now int64, s Spec, last Decision) int64 {
	nudge := int64(r.IntN(2))
	switch r.IntN(10) {
	case 0, 1, 2:
		return now
	case 3:
		return now + max(0, int64(last.RetryAfter)-nudge)
	case 4:
		return now + max(0, int64(last.NextAfter)-nudge)
	case 5:
		return now + max(0, int64(last.ResetAfter)-nudge)
	case 6:
		return now + r.Int64N(3*int64(s.Policy().Window)+1)
	default:
		return now + r.Int64N(2*grain(s)+1)
	}
}

// drawCost draws mostly 1, sometimes 0, sometimes more than can pass.
func drawCost(r *rand.Rand, s Spec) int64 {
	switch r.IntN(6) {
	case 0:
		return r.Int64N(s.Capacity() + 2)
	case 1:
		return 0
	default:
		return 1
	}
}

// dump writes out everything that a limiter knows.
func (k *keyed[S, R]) dump() string {
	var out string
	for i := range k.shards {
		sh := &k.shards[i]
		if len(sh.entries) == 0 && sh.horizon == noHorizon {
			continue
		}
		out += fmt.Sprintf("%d: %+v horizon %d cursor %d\n", i, sh.entries, sh.horizon, sh.cursor)
	}
	return out
}

func dump(l Limiter) string { return l.(interface{ dump() string }).dump() }

// edges is the key's lag behind the wall clock.
func (k *keyed[S, R]) edges(key []byte) int64 { return k.rules.lag(k.seed.digest(key)) }
