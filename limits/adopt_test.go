package limits

import (
	"math/rand/v2"
	"testing"
	"time"
)

// alter gives a Spec other numbers, of the same algorithm and precision.
func alter(r *rand.Rand, s Spec) Spec {
	num := func() int64 { return 1 + r.Int64N(12) }
	stretch := func(w time.Duration) time.Duration {
		return max(3, w*time.Duration(1+r.IntN(4))/time.Duration(1+r.IntN(4)))
	}
	switch s := s.(type) {
	case TokenBucketSpec:
		s.Burst = num()
		s.Rate = Rate{Count: 1, Window: stretch(s.Rate.Interval())}
		return s
	case LeakyBucketSpec:
		s.Burst = num()
		s.Queue, s.Immediate = 0, 0
		if r.IntN(2) == 0 {
			s.Queue = s.Burst - 1
		}
		s.Rate = Rate{Count: 1, Window: stretch(s.Rate.Interval())}
		return s
	case FixedWindowSpec:
		if r.IntN(2) == 0 {
			s.Window = stretch(s.Window)
			s.Offset %= s.Window
		}
		s.Limit = min(num(), s.rules().most)
		return s
	case SlidingWindowSpec:
		s.Limit = num()
		if r.IntN(2) == 0 {
			s.Window = stretch(s.Window)
		}
		if s.Precision == PrecisionBuckets && r.IntN(2) == 0 {
			s.Buckets = 2 + r.Int64N(9)
		}
		s.Limit = min(s.Limit, s.most())
		return s
	}
	return nil
}

// TestReloadNeverGivesMore changes the numbers again and again. At the moment of
// the change what remains moves by as much as the capacity did, and stops at 0.
func TestReloadNeverGivesMore(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 25, func(t *testing.T, r *rand.Rand) {
			s := s
			o := Options{MaxKeys: 100}
			l := s.New(o)
			keys := []string{"a", "b", "c"}
			var now int64
			var last Decision
			for range 40 {
				for range r.IntN(12) {
					now = walk(r, now, s, last)
					last = l.Take([]byte(keys[r.IntN(3)]), drawCost(r, s), at(now))
				}
				next := alter(r, s)
				var before []int64
				for _, key := range keys {
					before = append(before, l.Peek([]byte(key), 0, at(now)).Remaining)
				}
				old := l
				o.MaxKeys = 100 + r.IntN(5)*1000
				l = Adopt(old, next, o, at(now))
				for i, key := range keys {
					got := l.Peek([]byte(key), 0, at(now))
					want := max(0, before[i]+next.Capacity()-s.Capacity())
					if got.Remaining != want {
						t.Fatalf("at %d from %+v to %+v: %d remained, now %d, want %d", now, s, next, before[i], got.Remaining, want)
					}
					if through := old.Peek([]byte(key), 0, at(now)); through != got {
						t.Fatalf("through the old limiter %+v, through the new one %+v", through, got)
					}
					tryOut(t, l, next, []byte(key), 0, now, got)
				}
				s = next
			}
		})
	})
}

// TestReloadKeepsTheEnvelope raises the limit alone, step by step, and holds the
// run against the promise of the last.
func TestReloadKeepsTheEnvelope(t *testing.T) {
	for _, s := range []Spec{
		FixedWindowSpec{Limit: 7, Window: 11},
		SlidingWindowSpec{Limit: 20, Window: 130, Precision: PrecisionCounter},
		SlidingWindowSpec{Limit: 20, Window: 130, Precision: PrecisionLog},
		SlidingWindowSpec{Limit: 20, Window: 200, Precision: PrecisionBuckets, Buckets: 3},
		TokenBucketSpec{Rate: Rate{3, 10}, Burst: 20},
	} {
		eachSeed(t, 15, func(t *testing.T, r *rand.Rand) {
			l := withCapacity(s, 1).New(Options{})
			key := []byte("key")
			var admitted []admission
			var now int64
			var last Decision
			for n := int64(1); n < 300; n++ {
				if n%15 == 0 {
					l = Adopt(l, withCapacity(s, min(n/15, s.Capacity())), Options{}, at(now))
				}
				now = walk(r, now, s, last)
				if last = l.Take(key, 1, at(now)); last.Allowed {
					admitted = append(admitted, admission{at: now, units: 1})
				}
			}
			checkEnvelope(t, s, edgesOf(l, key), admitted)
		})
	}
}

// TestLateReload is told of a moment before some that callers have named. What a
// window has counted counts nevertheless; a bucket is clamped as of the moment
// of the reload.
func TestLateReload(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		eachSeed(t, 50, func(t *testing.T, r *rand.Rand) {
			l := s.New(Options{MaxKeys: 10})
			key := []byte("key")
			window := int64(s.Policy().Window)
			var now int64
			var last Decision
			for range 30 {
				now = walk(r, now, s, last)
				last = l.Take(key, drawCost(r, s), at(now))
			}
			late := max(0, now-r.Int64N(2*window))
			next := withCapacity(s, 1+r.Int64N(s.Capacity()))
			if name := s.Algorithm(); name == TokenBucketName || name == LeakyBucketName {
				now = late
			}
			before := l.Peek(key, 0, at(now)).Remaining
			l = Adopt(l, next, Options{MaxKeys: 10}, at(late))
			want := max(0, before+next.Capacity()-s.Capacity())
			if got := l.Peek(key, 0, at(now)).Remaining; got > want {
				t.Fatalf("reload at %d: at %d %d remained, now %d, want at most %d", late, now, before, got, want)
			}
		})
	})
}

func withCapacity(s Spec, n int64) Spec {
	switch s := s.(type) {
	case FixedWindowSpec:
		s.Limit = n
		return s
	case SlidingWindowSpec:
		s.Limit = n
		return s
	case TokenBucketSpec:
		s.Burst = n
		return s
	case LeakyBucketSpec:
		s.Burst = n
		s.Queue, s.Immediate = min(s.Queue, n-1), min(s.Immediate, n-1)
		return s
	}
	return nil
}

func TestAdoptSameIsSame(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{})
		l.Take([]byte("key"), 1, at(0))
		before := dump(l)
		for _, o := range []Options{{}, {MaxKeys: DefaultMaxKeys}} {
			if got := Adopt(l, s, o, at(1)); got != l {
				t.Errorf("%+v: another limiter for the same Spec", o)
			}
		}
		if after := dump(l); after != before {
			t.Errorf("state changed from\n%s to\n%s", before, after)
		}
	})
}

// TestRefusedReloadTouchesNothing prepares and then doesn't commit.
func TestRefusedReloadTouchesNothing(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{})
		l.Take([]byte("key"), s.Capacity(), at(0))
		before := dump(l)
		for _, next := range cases() {
			Prepare(l, next, Options{MaxKeys: 5})
		}
		if after := dump(l); after != before {
			t.Errorf("state changed from\n%s to\n%s", before, after)
		}
		if l.Take([]byte("key"), 1, at(0)).Allowed {
			t.Error("the budget has come back")
		}
	})
}

// kind is what has to stay the same for state to carry over.
func kind(s Spec) string {
	if w, ok := s.(SlidingWindowSpec); ok {
		return w.Algorithm() + w.Precision
	}
	return s.Algorithm()
}

func TestAdoptOtherAlgorithmStartsFresh(t *testing.T) {
	for _, from := range cases() {
		for _, to := range cases() {
			l := from.New(Options{})
			key := []byte("key")
			l.Take(key, from.Capacity(), at(0))
			next := Adopt(l, to, Options{}, at(0))
			want := int64(0)
			switch {
			case kind(from) != kind(to):
				want = to.Capacity()
			default:
				want = max(0, to.Capacity()-from.Capacity())
			}
			if got := next.Peek(key, 0, at(0)).Remaining; got != want {
				t.Errorf("from %s%+v to %s%+v: %d remain, want %d", from.Algorithm(), from, to.Algorithm(), to, got, want)
			}
			if kind(from) != kind(to) && l.Take(key, 1, at(0)).Allowed {
				t.Errorf("from %s%+v: the old limiter gave its state away", from.Algorithm(), from)
			}
		}
	}
}

func TestAdoptNothingStartsFresh(t *testing.T) {
	s := TokenBucketSpec{Rate: Rate{1, time.Second}, Burst: 3}
	if l := Adopt(nil, s, Options{}, at(0)); l.Peek([]byte("k"), 0, at(0)).Remaining != 3 {
		t.Error("not fresh")
	}
}

// TestAdoptTwice has two successors of one limiter, of which the second takes
// over from the first.
func TestAdoptTwice(t *testing.T) {
	s := TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 10}
	bigger, biggest := s, s
	bigger.Burst, biggest.Burst = 12, 15
	l := s.New(Options{})
	key := []byte("key")
	l.Take(key, 10, at(0))
	first := Prepare(l, bigger, Options{})
	second := Prepare(l, biggest, Options{})
	first.Commit(at(0))
	if !first.Limiter.Take(key, 2, at(0)).Allowed || first.Limiter.Take(key, 1, at(0)).Allowed {
		t.Error("the first successor doesn't have exactly 2 left")
	}
	second.Commit(at(0))
	second.Commit(at(0))
	for i, l := range []Limiter{l, first.Limiter, second.Limiter} {
		if got := l.Peek(key, 0, at(0)).Remaining; got != 3 {
			t.Errorf("limiter %d: %d remain, want 3", i, got)
		}
		if l.Keys() != 1 || l.Policy() != biggest.Policy() || len(l.Top(5, at(0))) != 1 {
			t.Errorf("limiter %d doesn't speak for its successor", i)
		}
	}
	// The old Spec again is still a change.
	if got := Adopt(l, s, Options{}, at(0)); got == l || got.Peek(key, 0, at(0)).Remaining != 0 {
		t.Error("a retired limiter came back")
	}
}

// TestRefundThroughOld gives back to the limiter that now holds the budget.
func TestRefundThroughOld(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{})
		key := []byte("key")
		l.Take(key, 1, at(5))
		next := Adopt(l, s, Options{MaxKeys: 7}, at(5))
		if next == l {
			t.Fatal("other options, same limiter")
		}
		l.Refund(key, 1, at(5))
		if got := next.Peek(key, 0, at(5)).Remaining; got != s.Capacity() {
			t.Errorf("%d remain, want %d", got, s.Capacity())
		}
	})
}

// TestAdoptKeepsDigests: people following a key by its digest don't lose it.
func TestAdoptKeepsDigests(t *testing.T) {
	s := TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 10}
	l := s.New(Options{})
	l.Take([]byte("key"), 1, at(0))
	want := l.Top(1, at(0))[0].Digest
	s.Burst++
	l = Adopt(l, s, Options{}, at(0))
	if got := l.Top(1, at(0))[0].Digest; got != want {
		t.Errorf("%s became %s", want, got)
	}
}

// TestAdoptFewerKeys gives up those with the least debt.
func TestAdoptFewerKeys(t *testing.T) {
	s := TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 10}
	l := s.New(Options{})
	for i := range 8 {
		l.Take([]byte{byte(i)}, int64(i+1), at(0))
	}
	l = Adopt(l, s, Options{MaxKeys: 3}, at(0))
	if l.Keys() != 3 {
		t.Fatalf("%d keys, want 3", l.Keys())
	}
	for i, want := range []int64{2, 3, 4} {
		if got := l.Top(3, at(0))[i].Remaining; got != want {
			t.Errorf("number %d has %d left, want %d", i, got, want)
		}
	}
}
