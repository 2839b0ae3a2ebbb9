package limits

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const callers = 8

// crowd runs f in several goroutines that start together.
func crowd(f func(caller int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range callers {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// TestConcurrentTakesAreExact: of many at one moment exactly as many pass as fit.
func TestConcurrentTakesAreExact(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{})
		var passed [4]atomic.Int64
		crowd(func(int) {
			for i := range 4 * int(s.Capacity()) {
				if l.Take([]byte{byte(i % 4)}, 1, at(100)).Allowed {
					passed[i%4].Add(1)
				}
			}
		})
		for i := range passed {
			if n := passed[i].Load(); n != s.Capacity() {
				t.Errorf("key %d: %d passed, want %d", i, n, s.Capacity())
			}
		}
	})
}

// TestConcurrentAdoptIsExact reloads a growing limit while everybody asks, some
// through limiters long retired. In the end as many units have passed as the
// last limit lets pass, neither more nor fewer.
func TestConcurrentAdoptIsExact(t *testing.T) {
	for _, s := range []Spec{
		TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 1},
		LeakyBucketSpec{Rate: Rate{1, time.Hour}, Burst: 1},
		FixedWindowSpec{Limit: 1, Window: time.Hour},
		SlidingWindowSpec{Limit: 1, Window: time.Hour, Precision: PrecisionCounter},
		SlidingWindowSpec{Limit: 1, Window: time.Hour, Precision: PrecisionLog},
		SlidingWindowSpec{Limit: 1, Window: time.Hour, Precision: PrecisionBuckets, Buckets: 5},
	} {
		t.Run(kind(s), func(t *testing.T) {
			const reloads, keys = 40, 32
			now := at(int64(90 * time.Minute))
			spec := func(i int) Spec { return withCapacity(s, int64(1+i)) }
			var current atomic.Pointer[Limiter]
			first := spec(0).New(Options{})
			current.Store(&first)
			var passed [keys]atomic.Int64
			var reloaded atomic.Bool
			go func() {
				defer reloaded.Store(true)
				for i := range reloads {
					next := Adopt(*current.Load(), spec(i+1), Options{MaxKeys: 4096 >> (i % 3)}, now)
					current.Store(&next)
				}
			}()
			crowd(func(caller int) {
				r := rand.New(rand.NewPCG(uint64(caller), 7))
				l := first
				for done := false; !done; {
					done = reloaded.Load()
					if caller%2 == 0 {
						l = *current.Load()
					}
					for range 8 * keys {
						key := r.IntN(keys)
						if l.Take([]byte{byte(key)}, 1, now).Allowed {
							passed[key].Add(1)
						}
						if l.Take([]byte{byte(key)}, 1, now).Allowed {
							l.Refund([]byte{byte(key)}, 1, now)
						}
					}
				}
			})
			last := *current.Load()
			for key := range passed {
				for last.Take([]byte{byte(key)}, 1, now).Allowed {
					passed[key].Add(1)
				}
				if n := passed[key].Load(); n != reloads+1 {
					t.Errorf("key %d: %d passed, want %d", key, n, reloads+1)
				}
			}
		})
	}
}

// TestConcurrentEverything lets the race detector see all methods at once, in a
// store that is full.
func TestConcurrentEverything(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{MaxKeys: 16})
		crowd(func(caller int) {
			r := rand.New(rand.NewPCG(uint64(caller), 3))
			for i := range 300 {
				now := at(r.Int64N(10 * int64(s.Policy().Window)))
				key := []byte{byte(r.IntN(64))}
				l.Take(key, 1, now)
				l.Peek(key, 1, now)
				l.Refund(key, 1, now)
				if i%50 == 0 {
					l.Top(3, now)
					if n := l.Keys(); n > 16 {
						t.Errorf("%d keys", n)
					}
				}
			}
		})
	})
}
