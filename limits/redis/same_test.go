//go:build e2e

package redis

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
)

// specs are limits of every form, some so narrow that edges are met all the
// time, some so long and large that doubles would round.
func specs() []limits.Spec {
	second := time.Second
	return []limits.Spec{
		limits.TokenBucketSpec{Rate: limits.Rate{Count: 1, Window: 7}, Burst: 1},
		limits.TokenBucketSpec{Rate: limits.Rate{Count: 3, Window: second}, Burst: 4},
		limits.TokenBucketSpec{Rate: limits.Rate{Count: 10_000, Window: time.Hour}, Burst: 50},
		limits.TokenBucketSpec{Rate: limits.Rate{Count: 7, Window: 24 * time.Hour}, Burst: 200_000},
		limits.LeakyBucketSpec{Rate: limits.Rate{Count: 7, Window: second}, Burst: 5},
		limits.LeakyBucketSpec{Rate: limits.Rate{Count: 50, Window: second}, Burst: 21, Queue: 20, Immediate: 5},
		limits.FixedWindowSpec{Limit: 6, Window: 11, Offset: 3},
		limits.FixedWindowSpec{Limit: 30, Window: time.Minute, Offset: 20 * second},
		limits.FixedWindowSpec{Limit: 1 << 40, Window: 24*time.Hour + 7, Offset: 1},
		limits.SlidingWindowSpec{Limit: 5, Window: 13, Precision: limits.PrecisionCounter},
		limits.SlidingWindowSpec{Limit: 40, Window: time.Hour, Precision: limits.PrecisionCounter},
		limits.SlidingWindowSpec{Limit: 1<<32 - 1, Window: limits.Longest, Precision: limits.PrecisionCounter},
		limits.SlidingWindowSpec{Limit: 1, Window: 6, Precision: limits.PrecisionLog},
		limits.SlidingWindowSpec{Limit: 25, Window: time.Minute, Precision: limits.PrecisionLog},
		limits.SlidingWindowSpec{Limit: 6, Window: 20, Precision: limits.PrecisionBuckets, Buckets: 3},
		limits.SlidingWindowSpec{Limit: 30, Window: 7 * second, Precision: limits.PrecisionBuckets, Buckets: 60},
	}
}

// TestSameAsInMemory asks the store and limiters in memory the same random
// questions, late callers and refunds among them, at moments of our time and of
// the epoch's, and wants the same answers to the nanosecond. In memory each key has
// a limiter of its own: one of several may forget a key whose time has come when
// another is added, by chance, and count who comes late later than the store does,
// which remembers.
func TestSameAsInMemory(t *testing.T) {
	st := newStore(t, startServer(t), nil)
	for i, spec := range specs() {
		t.Run(fmt.Sprintf("%s%+v", spec.Algorithm(), spec), func(t *testing.T) {
			for seed := range uint64(4) {
				r := rand.New(rand.NewPCG(seed, uint64(i)))
				shared := newScripted(t, st, spec)
				memory := [2]limits.Limiter{spec.New(limits.Options{}), spec.New(limits.Options{})}
				now := int64(0)
				if seed%2 == 1 && spec.Policy().Window >= limits.ShortestWindow {
					now = int64(1_795_446_604_123_456_789)
				}
				compare(t, r, shared, memory, spec, now)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func compare(t *testing.T, r *rand.Rand, shared *Limiter, memory [2]limits.Limiter, spec limits.Spec, now int64) {
	t.Helper()
	window := int64(spec.Policy().Window)
	grain := max(1, window/spec.Capacity())
	var last limits.Decision
	for step := range 250 {
		nudge := int64(r.IntN(2))
		switch r.IntN(10) {
		case 0, 1, 2:
		case 3:
			now += max(0, int64(last.RetryAfter)-nudge)
		case 4:
			now += max(0, int64(last.NextAfter)-nudge)
		case 5:
			now += max(0, int64(last.ResetAfter)-nudge)
		case 6:
			now += r.Int64N(window + 1)
		default:
			now += r.Int64N(2*grain + 1)
		}
		// Sliding windows in memory know no later moment than the ninetieth year
		// of their clock.
		if now < 0 || now > int64(90*365*24*time.Hour) {
			return
		}
		moment := now
		if r.IntN(8) == 0 {
			moment = max(0, now-r.Int64N(window+1))
		}
		cost := int64(1)
		switch r.IntN(6) {
		case 0:
			cost = r.Int64N(spec.Capacity() + 2)
		case 1:
			cost = 0
		}
		which := r.IntN(2)
		key, memory := []byte{'k', byte(which)}, memory[which]
		d := digestOf(shared.domain, key)
		shared.known.forget(d)
		ask, wanted, what := shared.Take, memory.Take, "take"
		if r.IntN(5) == 0 {
			ask, wanted, what = shared.Peek, memory.Peek, "peek"
		}
		got, want := ask(key, cost, at(moment)), wanted(key, cost, at(moment))
		if got != want {
			t.Fatalf("step %d: %s %d at %d:\n got %+v\nwant %+v", step, what, cost, moment, got, want)
		}
		last = want
		if want.Allowed && cost > 0 && what == "take" && r.IntN(4) == 0 {
			shared.Refund(key, cost, at(moment))
			memory.Refund(key, cost, at(moment))
		}
	}
}
