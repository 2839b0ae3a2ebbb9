package limits

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// holdCases lists the Specs of limiters of what is in flight. What is asked of the
// limiters of rates says nothing of them.
func holdCases() []Spec {
	return []Spec{
		ConcurrencySpec{Max: 1},
		ConcurrencySpec{Max: 7},
		adaptiveSpec(&AdaptiveConcurrency{MinLimit: 1, InitialLimit: 1, MaxLimit: 1}),
		adaptiveSpec(&AdaptiveConcurrency{MinLimit: 7, MaxLimit: 7}),
	}
}

func adaptiveSpec(b *AdaptiveConcurrency) AdaptiveConcurrencySpec {
	s, err := b.Spec()
	if err != nil {
		panic(err)
	}
	return s.(AdaptiveConcurrencySpec)
}

func eachHolder(t *testing.T, f func(t *testing.T, h Holder)) {
	t.Helper()
	for _, s := range holdCases() {
		t.Run(fmt.Sprintf("%s%+v", s.Algorithm(), s), func(t *testing.T) { f(t, s.New(Options{}).(Holder)) })
	}
}

// TestHolderConformance asks of every Holder what the rest of the program relies
// on.
func TestHolderConformance(t *testing.T) {
	eachHolder(t, func(t *testing.T, h Holder) {
		p, key := h.Policy(), []byte("key")
		if p.Window != 0 || p.Interval != 0 || p.Unit != ConcurrentRequests || p.Quota <= 0 {
			t.Errorf("policy %+v", p)
		}
		if d := h.Take(key, p.Quota+1, at(0)); d.Allowed || d.RetryAfter != Never {
			t.Errorf("more than the capacity: %+v", d)
		}
		var holds []Hold
		for n := range p.Quota {
			left := p.Quota - n
			if d := h.Peek(key, left, at(0)); !d.Allowed || d.Remaining != 0 {
				t.Fatalf("with %d in flight, a peek for the others: %+v", n, d)
			}
			d, held := h.Begin(key, 1, at(n), false)
			if !d.Allowed || held.Empty() || d.Remaining != left-1 || d.RetryAfter != 0 || d.Delay != 0 {
				t.Fatalf("with %d in flight: %+v, %+v", n, d, held)
			}
			holds = append(holds, held)
		}
		d, held := h.Begin(key, 1, at(1<<50), false)
		if d.Allowed || !held.Empty() || d.Remaining != 0 || d.RetryAfter != RetryUnknown || d.NextAfter != RetryUnknown {
			t.Errorf("one too many: %+v, %+v", d, held)
		}
		if d, held := h.Begin(key, 0, at(0), false); !d.Allowed || !held.Empty() {
			t.Errorf("nothing at all: %+v, %+v", d, held)
		}
		h.End(Hold{}) // of the one that was denied
		if d := h.Peek([]byte("another"), p.Quota, at(0)); !d.Allowed {
			t.Errorf("keys share their places: %+v", d)
		}
		top := h.Top(3, at(0))
		if len(top) != 1 || top[0].Remaining != 0 || !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(top[0].Digest) {
			t.Errorf("top %+v", top)
		}
		if h.Keys() != 1 || h.InFlight() != p.Quota {
			t.Errorf("%d keys, %d in flight", h.Keys(), h.InFlight())
		}
		h.End(holds[0])
		if d := h.Take(key, 1, at(0)); !d.Allowed || d.Remaining != 0 {
			t.Errorf("in the place of one that has ended: %+v", d)
		}
		h.Refund(key, 1, at(0))
		for _, held := range holds[1:] {
			h.End(held)
		}
		if d := h.Peek(key, p.Quota, at(0)); !d.Allowed || h.InFlight() != 0 {
			t.Errorf("after the end of all: %+v, %d in flight", d, h.InFlight())
		}
	})
}

// TestHoldersAreExact: many at once are never more than may be, all that were let
// in count, and nothing is left of them.
func TestHoldersAreExact(t *testing.T) {
	eachHolder(t, func(t *testing.T, h Holder) {
		const clients, each, keys = 64, 300, 3
		most := h.Policy().Quota
		var inside [keys]atomic.Int64
		var granted, denied atomic.Int64
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(c), 1))
				var mine []func()
				end := func() {
					mine[0]()
					mine = mine[1:]
				}
				for range each {
					k := r.IntN(keys)
					key, cost := []byte{byte(k)}, min(most, 1+int64(r.IntN(2)))
					d, held := h.Begin(key, cost, at(0), false)
					if d.Allowed == held.Empty() {
						t.Error("what is allowed is not what is held")
					}
					if !d.Allowed {
						denied.Add(1)
						if len(mine) > 0 {
							end()
						}
						continue
					}
					granted.Add(1)
					if n := inside[k].Add(cost); n > most {
						t.Errorf("%d in flight, most is %d", n, most)
					}
					mine = append(mine, func() {
						inside[k].Add(-cost)
						h.Answered(held, time.Millisecond, Served, at(0))
						h.End(held)
					})
				}
				for len(mine) > 0 {
					end()
				}
			})
		}
		wg.Wait()
		if h.InFlight() != 0 || granted.Load()+denied.Load() != clients*each || granted.Load() == 0 {
			t.Errorf("%d in flight after %d and %d", h.InFlight(), granted.Load(), denied.Load())
		}
		for k := range keys {
			if d := h.Peek([]byte{byte(k)}, most, at(0)); !d.Allowed {
				t.Errorf("key %d is left with %+v", k, d)
			}
		}
	})
}

// TestHoldersOutliveReloads: what began under one generation counts under the next
// and ends there, whichever of the two is told.
func TestHoldersOutliveReloads(t *testing.T) {
	for name, pair := range map[string][2]Spec{
		"concurrency, more":          {ConcurrencySpec{Max: 2}, ConcurrencySpec{Max: 4}},
		"concurrency, less":          {ConcurrencySpec{Max: 4}, ConcurrencySpec{Max: 2}},
		"adaptive_concurrency, more": {holdCases()[2], adaptiveSpec(&AdaptiveConcurrency{MinLimit: 3, MaxLimit: 3})},
		"adaptive_concurrency, less": {holdCases()[3], adaptiveSpec(&AdaptiveConcurrency{MinLimit: 3, MaxLimit: 3})},
	} {
		t.Run(name, func(t *testing.T) {
			key := []byte("key")
			was, most := pair[0].Capacity(), pair[1].Capacity()
			old := pair[0].New(Options{}).(Holder)
			var holds []Hold
			for range was {
				_, held := old.Begin(key, 1, at(0), false)
				holds = append(holds, held)
			}
			a := Prepare(old, pair[1], Options{})
			next := a.Limiter.(Holder)
			if old.Policy().Quota != was {
				t.Error("the old one has changed before the commit")
			}
			a.Commit(at(0))
			if next.InFlight() != was || old.Policy() != next.Policy() || next.Keys() != 1 {
				t.Errorf("%d in flight, policies %+v and %+v", next.InFlight(), old.Policy(), next.Policy())
			}
			for n := was; n < most; n++ { // the old one, too, by the new number
				if d, held := old.Begin(key, 1, at(0), false); !d.Allowed {
					t.Fatalf("the %dth of %d: %+v", n+1, most, d)
				} else {
					holds = append(holds, held)
				}
			}
			for i, held := range holds {
				if left := int64(len(holds) - i); left >= most {
					for _, h := range []Holder{old, next} {
						if d := h.Peek(key, 1, at(0)); d.Allowed || d.Remaining != 0 {
							t.Errorf("%d of %d in flight: %+v", left, most, d)
						}
					}
				}
				[]Holder{old, next}[i%2].End(held)
			}
			if d := next.Peek(key, most, at(0)); !d.Allowed || next.InFlight() != 0 {
				t.Errorf("after the end of all: %+v", d)
			}
		})
	}
}

// TestHoldersAcrossReloadsAreExact, while requests come and go.
func TestHoldersAcrossReloadsAreExact(t *testing.T) {
	var current atomic.Pointer[Holder]
	publish := func(h Holder) { current.Store(&h) }
	publish(ConcurrencySpec{Max: 3}.New(Options{}).(Holder))
	var inside, most atomic.Int64
	most.Store(5) // the largest there ever is
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				h := *current.Load()
				d, held := h.Begin([]byte("key"), 1, at(0), false)
				if !d.Allowed {
					continue
				}
				if n := inside.Add(1); n > most.Load() {
					t.Errorf("%d in flight", n)
				}
				inside.Add(-1)
				h.End(held)
			}
		})
	}
	for n := range 200 {
		publish(Adopt(*current.Load(), ConcurrencySpec{Max: int64(1 + n%5)}, Options{MaxKeys: 1 + n%3}, at(0)).(Holder))
	}
	close(done)
	wg.Wait()
	if n := (*current.Load()).InFlight(); n != 0 {
		t.Errorf("%d are left in flight", n)
	}
}

// TestConcurrencyKeysAreBounded: one key too many is denied, and a key that has
// nothing in flight takes no place.
func TestConcurrencyKeysAreBounded(t *testing.T) {
	h := ConcurrencySpec{Max: 2}.New(Options{MaxKeys: 500}).(Holder)
	var holds []Hold
	for n := range 500 {
		d, held := h.Begin(fmt.Append(nil, n), 1, at(0), false)
		if !d.Allowed {
			t.Fatalf("key %d: %+v", n, d)
		}
		holds = append(holds, held)
	}
	if d, held := h.Begin([]byte("another"), 1, at(0), false); d.Allowed || !held.Empty() || d.RetryAfter != RetryUnknown {
		t.Errorf("one key too many: %+v", d)
	}
	if d := h.Peek([]byte("another"), 1, at(0)); d.Allowed {
		t.Errorf("a peek for it: %+v", d)
	}
	if d := h.Take(fmt.Append(nil, 7), 1, at(0)); !d.Allowed {
		t.Errorf("a key that is held: %+v", d)
	}
	h.Refund(fmt.Append(nil, 7), 1, at(0))
	h.End(holds[0])
	if d := h.Take([]byte("another"), 1, at(0)); !d.Allowed || h.Keys() != 500 {
		t.Errorf("in the place of another: %+v, %d keys", d, h.Keys())
	}
	h.Refund([]byte("another"), 1, at(0))
	for _, held := range holds[1:] {
		h.End(held)
	}
	if h.Keys() != 0 || h.InFlight() != 0 || len(h.Top(9, at(0))) != 0 {
		t.Errorf("%d keys are left", h.Keys())
	}
}

// TestConcurrencyGivesMemoryBack once nothing is in flight any more.
func TestConcurrencyGivesMemoryBack(t *testing.T) {
	h := ConcurrencySpec{Max: 2}.New(Options{}).(*concurrency)
	const keys = 20 * placesShards * shrinkAbove
	holds := make([]Hold, keys)
	for n := range holds {
		_, holds[n] = h.Begin(fmt.Append(nil, n), 1, at(0), false)
	}
	for _, held := range holds {
		h.End(held)
	}
	p := h.state.Load()
	for i := range p.shards {
		if p.shards[i].held != nil {
			t.Fatalf("part %d keeps its map", i)
		}
	}
}

// TestAdaptiveKeysAreBounded: an idle one is forgotten for another, a busy one
// never.
func TestAdaptiveKeysAreBounded(t *testing.T) {
	h := holdCases()[3].New(Options{MaxKeys: 2}).(Holder)
	_, busy := h.Begin([]byte("busy"), 1, at(0), false)
	_, idle := h.Begin([]byte("idle"), 1, at(0), false)
	if d, _ := h.Begin([]byte("third"), 1, at(0), false); d.Allowed {
		t.Errorf("one key too many: %+v", d)
	}
	h.End(idle)
	if d, _ := h.Begin([]byte("third"), 1, at(0), false); !d.Allowed || h.Keys() != 2 || h.InFlight() != 2 {
		t.Errorf("in the place of the idle one: %+v, %d keys, %d in flight", d, h.Keys(), h.InFlight())
	}
	h.End(busy)
}

func TestConcurrencySpec(t *testing.T) {
	for max, ok := range map[int64]bool{-1: false, 0: false, 1: true, MostConcurrent: true, MostConcurrent + 1: false} {
		_, err := (&Concurrency{Max: max}).Spec()
		if a, is := errors.AsType[*AttributeError](err); (err == nil) != ok || is == ok || is && a.Attribute != "max" {
			t.Errorf("max %d: %v", max, err)
		}
	}
}

// TestHoldersAllocateNothing for a key that is known.
func TestHoldersAllocateNothing(t *testing.T) {
	eachHolder(t, func(t *testing.T, h Holder) {
		key := []byte("key")
		_, first := h.Begin(key, 1, at(0), false)
		h.End(first)
		for name, f := range map[string]func(){
			"allowed": func() {
				_, held := h.Begin(key, 1, at(0), false)
				h.Answered(held, time.Millisecond, Served, at(0))
				h.End(held)
			},
			"denied": func() { h.Begin(key, h.Policy().Quota+1, at(0), false) },
			"peeked": func() { h.Peek(key, 1, at(0)) },
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	})
}

func BenchmarkHolders(b *testing.B) {
	for _, s := range []Spec{ConcurrencySpec{Max: 1000}, adaptiveSpec(&AdaptiveConcurrency{})} {
		h := s.New(Options{}).(Holder)
		b.Run(s.Algorithm(), func(b *testing.B) {
			b.ReportAllocs()
			key := []byte("orders")
			for b.Loop() {
				d, held := h.Begin(key, 1, at(0), false)
				if !d.Allowed {
					b.Fatal("denied")
				}
				h.Answered(held, time.Millisecond, Served, at(0))
				h.End(held)
			}
		})
	}
}
