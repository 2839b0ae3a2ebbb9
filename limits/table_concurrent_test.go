package limits

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tabled has a limit for every kind of table.
func tabled(capacity int64) []Spec {
	return []Spec{
		TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: capacity},
		LeakyBucketSpec{Rate: Rate{1, time.Hour}, Burst: capacity},
		LeakyBucketSpec{Rate: Rate{1, time.Hour}, Burst: capacity, Queue: capacity - 1},
		FixedWindowSpec{Limit: capacity, Window: time.Hour},
		FixedWindowSpec{Limit: capacity, Window: time.Hour, ByKey: true},
		SlidingWindowSpec{Limit: capacity, Window: time.Hour, Precision: PrecisionCounter},
		SlidingWindowSpec{Limit: capacity, Window: 50, Precision: PrecisionCounter}, // with counts beside the word
		SlidingWindowSpec{Limit: capacity, Window: time.Hour, Precision: PrecisionBuckets, Buckets: 5},
	}
}

// TestSlotChangesHandsUnderReaders gives a slot to one key after another while
// others read it. Nobody gets a word that isn't of the key asked for.
func TestSlotChangesHandsUnderReaders(t *testing.T) {
	var s slot
	s.word.Store(moved)
	s.put(1, 0)
	var done atomic.Bool
	var read [callers]int
	crowd(func(caller int) {
		if caller == 0 {
			defer done.Store(true)
			for n := int64(1); n < 1_000_000; n++ {
				s.word.Store(moved)
				s.put(digest(2*n+1), n)
			}
			return
		}
		for !done.Load() {
			for range 100 {
				d := digest(s.digest.Load())
				if word := s.load(d); word != moved && word != int64(d/2) {
					t.Errorf("key %d has got the word %d", d, word)
					return
				}
				read[caller]++
			}
		}
	})
	if n := slices.Max(read[:]); n == 0 {
		t.Error("nobody read")
	}
}

// TestConcurrentLastUnit has two callers race for one unit, again and again: one
// gets it, and the other is told in full that it is gone.
func TestConcurrentLastUnit(t *testing.T) {
	const rounds = 20_000
	for _, s := range tabled(1) {
		l := s.New(Options{})
		key := []byte("key")
		var here, passed, wrong atomic.Int64
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for i := range int64(rounds) {
					now := at((2*i + 2) * int64(time.Hour))
					here.Add(1)
					for here.Load() < 2*(i+1) {
						runtime.Gosched()
					}
					d := l.Take(key, 1, now)
					if d.Allowed {
						passed.Add(1)
					}
					if d.Allowed != (d.RetryAfter == 0) || d.Remaining != 0 || d.NextAfter != d.ResetAfter {
						wrong.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if passed.Load() != rounds || wrong.Load() != 0 {
			t.Errorf("%+v: in %d rounds %d passed and %d answers were wrong", s, rounds, passed.Load(), wrong.Load())
		}
	}
}

// TestConcurrentGrowthIsExact has a crowd share some keys and bring ever new
// ones, so that the table grows and moves its keys all the while. Every key gets
// what it may, no more and no less, whether it is asked for by one or by all.
func TestConcurrentGrowthIsExact(t *testing.T) {
	const capacity, shared, own = 40, 50, 1500
	now := at(int64(90 * time.Minute))
	for _, s := range tabled(capacity) {
		l := s.New(Options{})
		var passed [shared]atomic.Int64
		var granted [callers][own]int64
		crowd(func(caller int) {
			r := rand.New(rand.NewPCG(uint64(caller), 9))
			for i := range own {
				for range 3 {
					if l.Take(number(caller<<32|i), 1, now).Allowed {
						granted[caller][i]++
					}
					n := r.IntN(shared)
					if l.Take([]byte{byte(n)}, 1, now).Allowed {
						passed[n].Add(1)
					}
					if old := r.IntN(i + 1); l.Take(number(caller<<32|old), 1, now).Allowed {
						granted[caller][old]++
						l.Refund(number(caller<<32|old), 1, now)
						granted[caller][old]--
					}
				}
				if i%8 == 0 {
					runtime.Gosched()
				}
			}
		})
		for i := range passed {
			left := l.Peek([]byte{byte(i)}, 0, now).Remaining
			if n := passed[i].Load(); n+left != capacity {
				t.Errorf("%+v: of shared key %d, %d passed and %d remain", s, i, n, left)
			}
		}
		for caller := range granted {
			for i, n := range granted[caller] {
				if left := l.Peek(number(caller<<32|i), 0, now).Remaining; n+left != capacity {
					t.Fatalf("%+v: of key %d, %d passed and %d remain", s, i, n, left)
				}
			}
		}
		if n := l.Keys(); n != shared+callers*own {
			t.Errorf("%+v: %d keys", s, n)
		}
	}
}

// TestConcurrentFloodFreesNoExhaustedKey has a crowd push ever new keys through
// a table that is full, while others try keys that have spent everything.
func TestConcurrentFloodFreesNoExhaustedKey(t *testing.T) {
	const capacity, exhausted, most = 5, 12, 200
	now := at(int64(90 * time.Minute))
	for _, s := range tabled(capacity) {
		l := s.New(Options{MaxKeys: most})
		for i := range exhausted {
			if !l.Take([]byte{byte(i)}, capacity, now).Allowed {
				t.Fatal("denied")
			}
		}
		crowd(func(caller int) {
			r := rand.New(rand.NewPCG(uint64(caller), 9))
			for i := range 4000 {
				if !l.Take(number(caller<<32|i), 1, now).Allowed {
					t.Errorf("%+v: a fresh key was refused", s)
					return
				}
				if l.Take([]byte{byte(r.IntN(exhausted))}, 1, now).Allowed {
					t.Errorf("%+v: an exhausted key got a unit", s)
					return
				}
				if i%8 == 0 {
					runtime.Gosched()
				}
			}
		})
		if n := l.Keys(); n != most {
			t.Errorf("%+v: %d keys", s, n)
		}
	}
}

// TestConcurrentAdoptAndGrowth reloads to other bounds while keys come.
func TestConcurrentAdoptAndGrowth(t *testing.T) {
	const capacity, own = 3, 600
	now := at(int64(90 * time.Minute))
	for _, s := range tabled(capacity) {
		first := s.New(Options{MaxKeys: 20_000})
		var current atomic.Pointer[Limiter]
		current.Store(&first)
		var asking atomic.Int64
		asking.Store(callers)
		reloaded := make(chan struct{})
		go func() {
			defer close(reloaded)
			for i := 0; asking.Load() > 0; i++ {
				next := Adopt(*current.Load(), s, Options{MaxKeys: 20_000 + 7000*(i%3+1)}, now)
				current.Store(&next)
				runtime.Gosched()
			}
		}()
		var granted [callers][own]int64
		crowd(func(caller int) {
			defer asking.Add(-1)
			l := first
			for i := range own {
				if caller%2 == 0 {
					l = *current.Load()
				}
				for range capacity + 1 {
					if l.Take(number(caller<<32|i), 1, now).Allowed {
						granted[caller][i]++
					}
				}
			}
		})
		<-reloaded
		for caller := range granted {
			for i, n := range granted[caller] {
				if n != capacity || first.Take(number(caller<<32|i), 1, now).Allowed {
					t.Fatalf("%+v: %d passed of key %d", s, n, i)
				}
			}
		}
		if n := first.Keys(); n != callers*own {
			t.Errorf("%+v: %d keys", s, n)
		}
	}
}
