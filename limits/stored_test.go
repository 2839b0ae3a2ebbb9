package limits

import (
	"testing"
	"time"
)

// TestArithmeticOf has states as a store would hold them in the midst of the
// golden traces, and the answers that follow there.
func TestArithmeticOf(t *testing.T) {
	const ms, s = int64(time.Millisecond), int64(time.Second)
	duration := func(ns int64) time.Duration { return time.Duration(ns) }
	bucket := TokenBucketSpec{Rate: Rate{Count: 10, Window: time.Second}, Burst: 3}
	queue := LeakyBucketSpec{Rate: Rate{Count: 10, Window: time.Second}, Burst: 5, Queue: 4, Immediate: 2}
	fixed := FixedWindowSpec{Limit: 3, Window: 10 * time.Second}
	counter := SlidingWindowSpec{Limit: 50, Window: time.Minute, Precision: PrecisionCounter}
	log := SlidingWindowSpec{Limit: 3, Window: 10 * time.Second, Precision: PrecisionLog}
	buckets := SlidingWindowSpec{Limit: 4, Window: 10 * time.Second, Precision: PrecisionBuckets, Buckets: 5}
	for _, c := range []struct {
		spec     Spec
		state    []int64
		cost, at int64
		want     Decision
	}{
		{bucket, []int64{0}, 1, 0, Decision{Allowed: true, Remaining: 2, NextAfter: duration(100 * ms), ResetAfter: duration(100 * ms)}},
		{bucket, []int64{300 * ms}, 2, 0, Decision{RetryAfter: duration(200 * ms), NextAfter: duration(100 * ms), ResetAfter: duration(300 * ms)}},
		{queue, []int64{300 * ms}, 1, 0, Decision{Allowed: true, Delay: duration(100 * ms), Remaining: 1, NextAfter: duration(100 * ms), ResetAfter: duration(400 * ms)}},
		{fixed, []int64{1, 3}, 1, 12 * s, Decision{RetryAfter: duration(8 * s), NextAfter: duration(8 * s), ResetAfter: duration(8 * s)}},
		{counter, []int64{1, 42, 18}, 1, 75 * s, Decision{RetryAfter: 714285715, NextAfter: 714285715, ResetAfter: duration(105 * s)}},
		{log, []int64{4 * s, 3, 1 * s, 4 * s, 3 * s}, 2, 5 * s, Decision{RetryAfter: duration(8 * s), NextAfter: duration(6 * s), ResetAfter: duration(9 * s)}},
		{log, []int64{5 * s, 0, 0, 0, 0}, 3, 25 * s, Decision{Allowed: true, NextAfter: duration(10 * s), ResetAfter: duration(10 * s)}},
		{log, []int64{5 * s, 0, 0, 0, 0}, 4, 25 * s, Decision{RetryAfter: Never, Remaining: 3}},
		{buckets, []int64{4, 1, 0, 0, 1, 2, 0}, 1, 9 * s, Decision{RetryAfter: duration(3 * s), NextAfter: duration(3 * s), ResetAfter: duration(11 * s)}},
		{buckets, []int64{1, 3, 0, 0, 0, 0, 0}, 1, 2 * s, Decision{Allowed: true, NextAfter: duration(12 * s), ResetAfter: duration(12 * s)}},
	} {
		if got := ArithmeticOf(c.spec)(c.state, c.cost, c.at); got != c.want {
			t.Errorf("%+v, %v, cost %d at %d:\n got %+v\nwant %+v", c.spec, c.state, c.cost, c.at, got, c.want)
		}
	}
	eachCase(t, func(t *testing.T, s Spec) {
		if ArithmeticOf(s) == nil {
			t.Error("no store can keep it")
		}
	})
}
