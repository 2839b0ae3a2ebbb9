package limits

import (
	"strings"
	"testing"
)

// TestImpossibleSpecsAreRefused with the attribute that is at fault and the reason:
// what can never let anything pass, what can't be computed exactly, and what can't
// be kept in memory.
func TestImpossibleSpecsAreRefused(t *testing.T) {
	for _, c := range []struct{ algorithm, block, attribute, reason string }{
		{TokenBucketName, "rate=0/s", "rate", "the count is zero, which would let nothing pass"},
		{TokenBucketName, "rate=5/0s", "rate", `window "0s" is not positive`},
		{TokenBucketName, "rate=-5/s", "rate", `count "-5" is not a whole number`},
		{TokenBucketName, "rate=0.5/s", "rate", `count "0.5" is not a whole number`},
		{TokenBucketName, "rate=2000000000/s", "rate", "is more than one a nanosecond"},
		{TokenBucketName, "rate=99999999999999999999/s", "rate", "is too large"},
		{TokenBucketName, "rate=1/200000d", "rate", "is longer than 100 years"},
		{TokenBucketName, "rate=1/s burst=-1", "burst", "burst -1 is negative"},
		{TokenBucketName, "rate=1/s burst=9223372036854775807", "burst", "take longer than 100 years to come back"},
		{TokenBucketName, "rate=1/d burst=36501", "burst", "36501 units at 1/d take longer than 100 years to come back"},
		{LeakyBucketName, "rate=0/m", "rate", "would let nothing pass"},
		{LeakyBucketName, "rate=1/d capacity=36501", "capacity", "take longer than 100 years to come back"},
		{LeakyBucketName, "rate=1/d queue=36500", "queue", "take longer than 100 years to come back"},
		{LeakyBucketName, "rate=1/ms queue=9223372036854775807", "queue", "is more than 4294967296"},
		{LeakyBucketName, "rate=1/s capacity=3 queue=3", "capacity", "has no meaning beside a queue"},
		{LeakyBucketName, "rate=1/s queue=3 immediate=4", "immediate", "is more than the queue of 3"},
		{FixedWindowName, "limit=0 window=1m", "limit", "limit 0 is not positive"},
		{FixedWindowName, "limit=-3 window=1m", "limit", "limit -3 is not positive"},
		{FixedWindowName, "limit=1 window=0s", "window", "is not positive"},
		{FixedWindowName, "limit=1 window=999us", "window", "is shorter than 1ms"},
		{FixedWindowName, "limit=1 window=40000d", "window", "is longer than 100 years"},
		{FixedWindowName, "limit=524288 window=1ms", "limit", "is more than 524287, the most for a window of 1ms"},
		{FixedWindowName, "limit=9223372036854775807 window=1d", "limit", "the most for a window of 24h0m0s"},
		{FixedWindowName, "limit=1 window=1m offset=1m", "offset", "is not shorter than the window"},
		{FixedWindowName, "limit=1 window=1m align=noon", "align", `align "noon" is n`},
		{SlidingWindowName, "limit=0 window=1m", "limit", "is not positive"},
		{SlidingWindowName, "limit=1 window=10us", "window", "is shorter than 1ms"},
		{SlidingWindowName, "limit=1001 window=1h precision=log", "limit", `is more than 1000, the most with precision = "log"`},
		{SlidingWindowName, "limit=4294967296 window=1h", "limit", `is more than 4294967295, the most with precision = "counter"`},
		{SlidingWindowName, "limit=2097152 window=1ms", "limit", "is more than 2097151, the most for a window of 1ms"},
		{SlidingWindowName, "limit=262144 window=1ms precision=buckets", "limit", "is more than 262143, the most for a window of 1ms"},
		{SlidingWindowName, "limit=5 window=1m precision=buckets buckets=61", "buckets", "is not between 2 and 60"},
		{SlidingWindowName, "limit=5 window=1m buckets=6", "buckets", `needs precision = "buckets"`},
		{SlidingWindowName, "limit=5 window=1m precision=exact", "precision", `precision "exact" is none of`},
	} {
		a, ok := Lookup(c.algorithm)
		if !ok {
			t.Fatalf("no algorithm %s", c.algorithm)
		}
		block := a.New()
		if err := assign(block, strings.Fields(c.block)); err != nil {
			t.Fatal(err)
		}
		spec, err := block.Spec()
		if err == nil || spec != nil {
			t.Errorf("%s %s: accepted as %+v", c.algorithm, c.block, spec)
			continue
		}
		if got := wrong(err); len(got) != 1 || got[0] != c.attribute || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s %s: %q of %q, want %q of %q", c.algorithm, c.block, err, got, c.reason, c.attribute)
		}
	}
}

// TestLargestSpecsCountExactly: what is just not refused neither overflows nor
// loses a unit, from the first moment there is to the last.
func TestLargestSpecsCountExactly(t *testing.T) {
	for _, c := range []struct{ algorithm, block string }{
		{TokenBucketName, "rate=1/d burst=36500"},
		{TokenBucketName, "rate=1000000000/s burst=3153600000000000000"},
		{LeakyBucketName, "rate=1/d queue=36499"},
		{FixedWindowName, "limit=524287 window=1ms"},
		{FixedWindowName, "limit=1000 window=36500d"},
		{SlidingWindowName, "limit=2097151 window=1ms"},
		{SlidingWindowName, "limit=4294967295 window=1h"},
		{SlidingWindowName, "limit=4294967295 window=36500d"},
		{SlidingWindowName, "limit=262143 window=1ms precision=buckets"},
		{SlidingWindowName, "limit=16383 window=1ms precision=buckets buckets=60"},
		{SlidingWindowName, "limit=4294967295 window=36500d precision=buckets buckets=2"},
		{SlidingWindowName, "limit=1000 window=36500d precision=log"},
	} {
		a, _ := Lookup(c.algorithm)
		block := a.New()
		if err := assign(block, strings.Fields(c.block)); err != nil {
			t.Fatal(err)
		}
		s, err := block.Spec()
		if err != nil {
			t.Errorf("%s %s: %v", c.algorithm, c.block, err)
			continue
		}
		most := s.Capacity()
		for _, now := range []int64{0, int64(latest) / 2, int64(latest)} {
			l, key := s.New(Options{MaxKeys: 10}), []byte("key")
			for _, cost := range []int64{most - 1, 1} {
				if d := l.Take(key, cost, at(now)); !d.Allowed || d.RetryAfter != 0 {
					t.Errorf("%s %s: %d of %d at %d: %+v", c.algorithm, c.block, cost, most, now, d)
				}
			}
			d := l.Take(key, 1, at(now))
			if d.Allowed || d.Remaining != 0 || d.RetryAfter <= 0 || d.NextAfter != d.RetryAfter || d.ResetAfter < d.NextAfter {
				t.Errorf("%s %s: one more than %d at %d: %+v", c.algorithm, c.block, most, now, d)
			}
			passes := now + int64(d.RetryAfter)
			if passes > int64(latest) {
				continue
			}
			if l.Peek(key, 1, at(passes-1)).Allowed || !l.Peek(key, 1, at(passes)).Allowed {
				t.Errorf("%s %s: charged in full at %d, it doesn't pass first at %d", c.algorithm, c.block, now, passes)
			}
		}
	}
}
