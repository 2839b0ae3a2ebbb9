package limits

import (
	"testing"
	"time"
)

// TestThroughputUnderPressure offers far more than may pass, evenly, for a
// hundred windows. An algorithm that promises never more than the limit in any
// window must not get there by letting much less pass.
func TestThroughputUnderPressure(t *testing.T) {
	const limit, windows = 100, 100
	window := time.Second
	for _, tt := range []struct {
		spec  Spec
		least float64 // of limit * windows
	}{
		{TokenBucketSpec{Rate: Rate{limit, window}, Burst: limit}, 1},
		{LeakyBucketSpec{Rate: Rate{limit, window}, Burst: 1}, 1},
		{FixedWindowSpec{Limit: limit, Window: window}, 1},
		{SlidingWindowSpec{Limit: limit, Window: window, Precision: PrecisionCounter}, 0.99},
		{SlidingWindowSpec{Limit: limit, Window: window, Precision: PrecisionLog}, 1},
		{SlidingWindowSpec{Limit: limit, Window: window, Precision: PrecisionBuckets, Buckets: 10}, 0.86},
		{SlidingWindowSpec{Limit: limit, Window: window, Precision: PrecisionBuckets, Buckets: 60}, 0.97},
	} {
		for _, offered := range []int64{2 * limit, 10 * limit} {
			l := tt.spec.New(Options{})
			step := int64(window) / offered
			passed := 0
			for now := int64(0); now < windows*int64(window); now += step {
				if l.Take([]byte("key"), 1, at(now)).Allowed {
					passed++
				}
			}
			if share := float64(passed) / (limit * windows); share < tt.least {
				t.Errorf("%s: of %d a window %.3f of the limit passed, want %.2f", kind(tt.spec), offered, share, tt.least)
			}
		}
	}
}

// TestCounterAtItsWorst spends a window's limit at its end, and all that the
// weights allow a window later: one less than twice the limit in one trailing
// window, as documented.
func TestCounterAtItsWorst(t *testing.T) {
	const limit, window = 100, 1_000_000
	l := SlidingWindowSpec{Limit: limit, Window: window, Precision: PrecisionCounter}.New(Options{})
	key := []byte("key")
	passed := 0
	for range limit {
		if !l.Take(key, 1, at(window-1)).Allowed {
			t.Fatal("denied within the limit")
		}
	}
	for now := int64(window); now < 2*window-1; now++ {
		if l.Take(key, 1, at(now)).Allowed {
			passed++
		}
	}
	if passed != limit-1 {
		t.Errorf("%d passed in the same trailing window, want %d", passed, limit-1)
	}
}
