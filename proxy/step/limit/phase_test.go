package limit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

func TestOneLimit(t *testing.T) {
	l := bucket(t, "a", 2)
	w := newWorld(t, nil, alone(l))
	for i, want := range []int{200, 200, 429, 429} {
		if got := w.ask("/shop"); got != want {
			t.Errorf("request %d: %d, want %d", i, got, want)
		}
	}
	if got := l.Counters.all(); got != [5]uint64{2, 0, 2, 0, 0} || w.passed != 2 {
		t.Errorf("counted %v, %d passed", got, w.passed)
	}
	w.from("192.0.2.8")
	if got := w.ask("/shop"); got != 200 {
		t.Errorf("another client: %d", got)
	}
}

// TestAllOrNothing: a request that one limit refuses is charged by none.
func TestAllOrNothing(t *testing.T) {
	for name, narrowAt := range map[string]int{"first": 0, "last": 2} {
		t.Run(name, func(t *testing.T) {
			wide, wider, narrow := bucket(t, "wide", 5), bucket(t, "wider", 9), bucket(t, "narrow", 1)
			list := []*Limit{wide, wider}
			list = append(list[:narrowAt], append([]*Limit{narrow}, list[narrowAt:]...)...)
			w := newWorld(t, nil, alone(list...))
			for i, want := range []int{200, 429, 429, 429, 429, 429, 429, 429, 429, 429} {
				if got := w.ask("/shop"); got != want {
					t.Fatalf("request %d: %d, want %d", i, got, want)
				}
			}
			if got := wide.Counters.all(); got != [5]uint64{1, 0, 0, 0, 0} {
				t.Errorf("wide counted %v", got)
			}
			if got := narrow.Counters.all(); got != [5]uint64{1, 0, 9, 0, 0} {
				t.Errorf("narrow counted %v", got)
			}
			if got := w.ask("/shop"); got != 429 || w.fields["Retry-After"] != "3600" {
				t.Errorf("%d, Retry-After: %s", got, w.fields["Retry-After"])
			}
			now := w.x.Start
			for _, l := range []*Limit{wide, wider} {
				if d := l.Limiter.Peek(l.key(&w.x), 0, now); d.Remaining != l.Spec.Limit.Capacity()-1 {
					t.Errorf("%s has %d left", l.Spec.Name, d.Remaining)
				}
			}
		})
	}
}

// rival is a limiter that lets one more request in between the check and the
// charge.
type rival struct {
	limits.Limiter
	armed bool
}

func (r *rival) Take(key []byte, cost int64, now limits.Time) limits.Decision {
	if r.armed {
		r.armed = false
		r.Limiter.Take(key, cost, now)
	}
	return r.Limiter.Take(key, cost, now)
}

// TestRefundAfterALostRace: the check of all passes, and then a later limit's
// last unit is gone.
func TestRefundAfterALostRace(t *testing.T) {
	first, second := bucket(t, "first", 3), bucket(t, "second", 1)
	quiet := bucket(t, "quiet", 3, mode(Permissive))
	second.Limiter = &rival{Limiter: second.Limiter, armed: true}
	w := newWorld(t, nil, alone(first, quiet, second))
	if got := w.ask("/shop"); got != 429 {
		t.Fatalf("%d", got)
	}
	for _, l := range []*Limit{first, quiet} {
		if d := l.Limiter.Peek(l.key(&w.x), 0, w.x.Start); d.Remaining != 3 {
			t.Errorf("%s was charged: %d left", l.Spec.Name, d.Remaining)
		}
	}
	if got := w.fields["RateLimit"]; got != `"first";r=3;t=10800, "second";r=0;t=3600` {
		t.Errorf("the client was told %s", got)
	}
	if first.Counters.all() != [5]uint64{} || second.Counters.Denied.Load() != 1 {
		t.Errorf("counted %v and %v", first.Counters.all(), second.Counters.all())
	}
}

func TestPermissive(t *testing.T) {
	for _, others := range [][]*Limit{nil, {bucket(t, "wide", 100)}} {
		l := bucket(t, "quiet", 1, mode(Permissive))
		w := newWorld(t, nil, alone(append(others, l)...))
		for range 3 {
			if got := w.ask("/shop"); got != 200 {
				t.Errorf("%d", got)
			}
		}
		if got := l.Counters.all(); got != [5]uint64{1, 0, 0, 2, 0} {
			t.Errorf("counted %v", got)
		}
		if _, told := w.fields["RateLimit"]; told != (others != nil) {
			t.Errorf("the client was told %v", w.fields)
		}
	}
}

// TestPermissiveNeverDelays, even if enforced it would.
func TestPermissiveNeverDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(t, "smooth", &limits.LeakyBucket{Rate: "1/s", Queue: 5}, mode(Permissive))
		w := newWorld(t, nil, alone(l))
		start := time.Now()
		for range 3 {
			if got := w.ask("/shop"); got != 200 {
				t.Errorf("%d", got)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestDisabled(t *testing.T) {
	off := bucket(t, "off", 1, mode(Disabled))
	if p := NewPhase([]*Limit{off}, nil); p != nil {
		t.Error("there is a step for nothing")
	}
	if p := NewPhase(nil, nil); p != nil {
		t.Error("there is a step for no limit")
	}
	w := newWorld(t, nil, alone(off, bucket(t, "on", 3)))
	for range 3 {
		if got := w.ask("/shop"); got != 200 {
			t.Errorf("%d", got)
		}
	}
	if off.Counters.all() != [5]uint64{} {
		t.Errorf("counted %v", off.Counters.all())
	}
}

// TestDelay: requests wait for their turn, and the fields are sent.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(t, "smooth", &limits.LeakyBucket{Rate: "1/s", Queue: 2})
		w := newWorld(t, nil, alone(l))
		start := time.Now()
		for i := range 3 {
			if got := w.ask("/shop"); got != 200 {
				t.Fatalf("request %d: %d", i, got)
			}
			if took := time.Since(start); took != time.Duration(i)*time.Second {
				t.Errorf("request %d passed after %v", i, took)
			}
		}
		if got := l.Counters.all(); got != [5]uint64{1, 2, 0, 0, 0} {
			t.Errorf("counted %v", got)
		}
	})
}

// TestTheLongestDelayCounts when several limits delay.
func TestTheLongestDelayCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, alone(
			limitOf(t, "fast", &limits.LeakyBucket{Rate: "10/s", Queue: 5}),
			limitOf(t, "slow", &limits.LeakyBucket{Rate: "1/s", Queue: 5}),
		))
		start := time.Now()
		w.ask("/shop")
		if got, took := w.ask("/shop"), time.Since(start); got != 200 || took != time.Second {
			t.Errorf("%d after %v", got, took)
		}
	})
}

// TestDelayEndsWithTheClient: what was charged stays charged.
func TestDelayEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(t, "smooth", &limits.LeakyBucket{Rate: "1/m", Queue: 5})
		w := newWorld(t, nil, alone(l))
		w.ask("/shop")
		ctx, cancel := context.WithCancelCause(t.Context())
		w.ctx = ctx
		gone := errors.New("gone")
		time.AfterFunc(10*time.Second, func() { cancel(gone) })
		start := time.Now()
		if got := w.ask("/shop"); got != 0 || !w.aborted || w.passed != 1 || w.x.Response.Status != 499 {
			t.Errorf("%d, aborted %v, %d passed", got, w.aborted, w.passed)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if d := l.Limiter.Peek(l.key(&w.x), 0, w.x.Start); d.Remaining != 4 {
			t.Errorf("%d left", d.Remaining)
		}
		// One that is gone before it begins to wait is charged nothing.
		if w.ask("/shop"); !w.aborted {
			t.Error("it was answered")
		}
		if d := l.Limiter.Peek(l.key(&w.x), 0, w.x.Start); d.Remaining != 4 {
			t.Errorf("%d left", d.Remaining)
		}
	})
}

// TestDelayBeyondTheTimeout is refused at once and says when to come back.
func TestDelayBeyondTheTimeout(t *testing.T) {
	for _, beside := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := limitOf(t, "smooth", &limits.LeakyBucket{Rate: "1/m", Queue: 5})
			list, wide := []*Limit{l}, bucket(t, "wide", 9)
			if beside {
				list = append(list, wide)
			}
			w := newWorld(t, nil, alone(list...), func(r *proxy.Route) { r.Timeout = 20 * time.Second })
			w.ask("/shop")
			start := time.Now()
			if got := w.ask("/shop"); got != 429 || time.Since(start) != 0 {
				t.Fatalf("%d after %v", got, time.Since(start))
			}
			if w.fields["Retry-After"] != "41" { // one nanosecond more than 40 s
				t.Errorf("Retry-After: %s", w.fields["Retry-After"])
			}
			if got := l.Counters.all(); got != [5]uint64{1, 0, 1, 0, 0} {
				t.Errorf("counted %v", got)
			}
			if d := l.Limiter.Peek(l.key(&w.x), 0, w.x.Start); d.Remaining != 5 {
				t.Errorf("the refusal was charged: %d left", d.Remaining)
			}
			if d := wide.Limiter.Peek(wide.key(&w.x), 0, w.x.Start); beside && d.Remaining != 8 {
				t.Errorf("the refusal was charged elsewhere: %d left", d.Remaining)
			}
			time.Sleep(41 * time.Second) // of the bubble's
			if got := w.ask("/shop"); got != 200 {
				t.Errorf("after Retry-After: %d", got)
			}
		})
	}
}

func TestTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, wide := limitOf(t, "smooth", &limits.LeakyBucket{Rate: "1/m", Queue: 5}), bucket(t, "wide", 9)
		w := newWorld(t, nil, steps(NewPhase([]*Limit{wide, l}, limits.NewWaiters(0))))
		w.ask("/shop")
		if got := w.ask("/shop"); got != 503 || w.x.Problem != proxy.Overloaded {
			t.Errorf("%d %+v", got, w.x.Problem)
		}
		for l, left := range map[*Limit]int64{l: 5, wide: 8} {
			if d := l.Limiter.Peek(l.key(&w.x), 0, w.x.Start); d.Remaining != left {
				t.Errorf("%s was charged: %d left", l.Spec.Name, d.Remaining)
			}
			if got := l.Counters.all(); got != [5]uint64{1, 0, 0, 0, 0} {
				t.Errorf("%s counted %v", l.Spec.Name, got)
			}
		}
	})
}

// TestGatewayPhase has no route: nothing of it is needed, neither for keys nor
// for a timeout.
func TestGatewayPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bucket(t, "flood", 2, keyed(KeyPart{Kind: RouteName}, KeyPart{Kind: ServiceName}, KeyPart{Kind: RequestHost}))
		smooth := limitOf(t, "smooth", &limits.LeakyBucket{Rate: "1/s", Queue: 5})
		w := newWorld(t, alone(l, smooth), alone(bucket(t, "route", 100)))
		start := time.Now()
		for i, want := range []struct {
			path   string
			status int
		}{{"/nothing", 404}, {"/shop", 200}, {"/shop", 429}, {"/nothing", 429}, {"/%00", 429}} {
			if got := w.ask(want.path); got != want.status {
				t.Errorf("request %d: %d, want %d", i, got, want.status)
			}
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v", took)
		}
		w.from("192.0.2.8") // whose address stands in for the route
		if got := w.ask("/nothing"); got != 404 {
			t.Errorf("another client: %d", got)
		}
	})
}

// TestDelayBeforeARoute: without a route's timeout a delay is bounded all the
// same.
func TestDelayBeforeARoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, alone(limitOf(t, "smooth", &limits.LeakyBucket{Rate: "3/m", Queue: 5})), alone(bucket(t, "route", 100)))
		start := time.Now()
		for i, want := range []struct {
			path   string
			status int
			after  time.Duration
		}{{"/nothing", 404, 0}, {"/shop", 200, 20 * time.Second}, {"/nothing", 404, 40 * time.Second}} {
			if got := w.ask(want.path); got != want.status || time.Since(start) != want.after {
				t.Errorf("request %d: %d after %v, want %d after %v", i, got, time.Since(start), want.status, want.after)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, alone(limitOf(t, "slow", &limits.LeakyBucket{Rate: "1/m", Queue: 5})), nil)
		w.ask("/nothing")
		start := time.Now()
		if got := w.ask("/nothing"); got != 429 || time.Since(start) != 0 || w.fields["Retry-After"] != "31" {
			t.Errorf("%d after %v, Retry-After: %s", got, time.Since(start), w.fields["Retry-After"])
		}
	})
}

// TestPhasesStand: what the first phase charged stands when the second refuses.
func TestPhasesStand(t *testing.T) {
	one, two := bucket(t, "one", 9), bucket(t, "two", 1)
	w := newWorld(t, nil, append(alone(one), alone(two)...))
	for range 3 {
		w.ask("/shop")
	}
	if d := one.Limiter.Peek(one.key(&w.x), 0, w.x.Start); w.passed != 1 || d.Remaining != 6 {
		t.Errorf("%d passed, %d left", w.passed, d.Remaining)
	}
	if got := w.fields["RateLimit"]; got != `"one";r=6;t=21600, "two";r=0;t=3600` {
		t.Errorf("the client was told %s", got)
	}
}

func TestCost(t *testing.T) {
	w := newWorld(t, nil, alone(bucket(t, "dear", 5, func(s *Spec) { s.Cost = 2 })))
	for i, want := range []int{200, 200, 429} {
		if got := w.ask("/shop"); got != want {
			t.Errorf("request %d: %d", i, got)
		}
	}
	if w.fields["Retry-After"] != "3600" || w.fields["RateLimit"] != `"dear";r=1;t=3600` {
		t.Errorf("%v", w.fields)
	}
}

// TestCountersOutlive a reload, which hands them on.
func TestCountersOutlive(t *testing.T) {
	old := bucket(t, "a", 1)
	old.Counters.Allowed.Add(7)
	next := New(old.Spec, old.Limiter, old.Counters, nil)
	if next.Counters.Allowed.Load() != 7 {
		t.Error("the counters start anew")
	}
	w := newWorld(t, nil, alone(next))
	w.ask("/shop")
	if old.Counters.Allowed.Load() != 8 {
		t.Error("they are not the same counters")
	}
}

func TestHeadersOfALimit(t *testing.T) {
	for h, want := range map[Headers]proxy.LimitHeaders{Standard: proxy.StandardHeaders, Legacy: proxy.LegacyHeaders, Off: proxy.NoHeaders} {
		if got := bucket(t, "a", 1, func(s *Spec) { s.Headers = h }).Info.Headers; got != want {
			t.Errorf("%v is %v", h, got)
		}
	}
}

func BenchmarkPhase(b *testing.B) {
	x := new(proxy.Exchange)
	x.Client = netipAddr("192.0.2.7")
	x.Start = limits.NewClock().Now()
	for name, list := range map[string][]*Limit{
		"one": {limitOf(b, "a", &limits.TokenBucket{Rate: "1000000000/s"})},
		"two": {limitOf(b, "a", &limits.TokenBucket{Rate: "1000000000/s"}), limitOf(b, "b", &limits.TokenBucket{Rate: "1000000000/s"})},
	} {
		p := NewPhase(list, nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.Start.Mono++
				x.Verdicts = x.Verdicts[:0]
				if !p.Request(x) {
					b.Fatal("refused")
				}
			}
		})
	}
}
