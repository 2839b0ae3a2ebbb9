package main

import (
	"time"

	"github.com/lictor/lictor/limits"
)

// longestLog keeps the pace of a quota that is too large for a log.
func longestLog(q quota) quota {
	if q.limit > limits.LongestLog {
		q.window = q.window * limits.LongestLog / time.Duration(q.limit)
		q.limit = limits.LongestLog
	}
	return q
}

func bucket(q quota) limits.Spec {
	return limits.TokenBucketSpec{Rate: limits.Rate{Count: q.limit, Window: q.window}, Burst: q.limit}
}

func ours() []contender {
	return []contender{
		{"ours, `token_bucket`", timed(bucket)},
		{"the same, told the time", told(bucket)},
		{"ours, `fixed_window`", timed(func(q quota) limits.Spec {
			return limits.FixedWindowSpec{Limit: q.limit, Window: q.window}
		})},
		{"ours, `sliding_window` by counter", timed(func(q quota) limits.Spec {
			return limits.SlidingWindowSpec{Limit: q.limit, Window: q.window, Precision: limits.PrecisionCounter}
		})},
		{"ours, `sliding_window` by log", timed(func(q quota) limits.Spec {
			q = longestLog(q)
			return limits.SlidingWindowSpec{Limit: q.limit, Window: q.window, Precision: limits.PrecisionLog}
		})},
		{"ours, `sliding_window` by buckets", timed(func(q quota) limits.Spec {
			return limits.SlidingWindowSpec{Limit: q.limit, Window: q.window, Precision: limits.PrecisionBuckets, Buckets: 10}
		})},
	}
}

// timed reads the clock for each decision.
func timed(spec func(quota) limits.Spec) func(quota, *keys) asker {
	return func(q quota, k *keys) asker {
		l := spec(q).New(limits.Options{MaxKeys: q.most})
		clock := limits.NewClock()
		return func(i int) bool { return l.Take(k.slice(i), 1, clock.Now()).Allowed }
	}
}

// told has the time read by its caller: here it stands still, for all that a
// budget that never ends needs of it.
func told(spec func(quota) limits.Spec) func(quota, *keys) asker {
	return func(q quota, k *keys) asker {
		l := spec(q).New(limits.Options{MaxKeys: q.most})
		now := limits.NewClock().Now()
		return func(i int) bool { return l.Take(k.slice(i), 1, now).Allowed }
	}
}
