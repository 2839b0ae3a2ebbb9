package limit

import (
	"context"
	"errors"
	"io"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

func few(t *testing.T, name string, most int64, edit ...func(*Spec)) *Limit {
	t.Helper()
	return limitOf(t, name, &limits.Concurrency{Max: most}, edit...)
}

func inFlight(l *Limit) int64 { return l.holder.InFlight() }

// look is a step that looks at what is held while a request is under way.
type look func(*proxy.Exchange) bool

func (l look) Request(x *proxy.Exchange) bool { return l(x) }

// TestHeldUntilTheEnd, however that comes, and not a moment longer.
func TestHeldUntilTheEnd(t *testing.T) {
	l := few(t, "few", 2)
	var during int64
	var then func(*proxy.Exchange) bool
	w := newWorld(t, nil, append(alone(l), look(func(x *proxy.Exchange) bool {
		during = inFlight(l)
		return then(x)
	})))
	for name, f := range map[string]func(*proxy.Exchange) bool{
		"served":   func(*proxy.Exchange) bool { return true },
		"answered": func(x *proxy.Exchange) bool { x.Answer(proxy.TokenMissing, "", nil); return false },
		"gone":     func(x *proxy.Exchange) bool { x.Gone(errors.New("gone")); return false },
		"panicked": func(*proxy.Exchange) bool { panic("broken") },
	} {
		then = f
		during = -1
		func() {
			defer func() {
				if p := recover(); (p != nil) != (name == "panicked") {
					t.Errorf("%s: recovered %v", name, p)
				}
			}()
			w.ask("/shop")
		}()
		if during != 1 || inFlight(l) != 0 {
			t.Errorf("%s: %d were in flight, %d are left", name, during, inFlight(l))
		}
	}
}

// TestHeldAllOrNothing: who is refused by another limit holds nothing, not even
// after a lost race.
func TestHeldAllOrNothing(t *testing.T) {
	l, second := few(t, "few", 2), bucket(t, "second", 1)
	second.Limiter = &rival{Limiter: second.Limiter, armed: true}
	w := newWorld(t, nil, alone(l, second))
	for n := range 3 { // the first loses the race, the others the check
		if got := w.ask("/shop"); got != 429 || inFlight(l) != 0 {
			t.Errorf("request %d: %d, %d in flight", n, got, inFlight(l))
		}
	}
	if got := w.fields["RateLimit"]; got != `"few";r=2, "second";r=0;t=3600` {
		t.Errorf("the client was told %s", got)
	}
	if got := l.Counters.all(); got != [5]uint64{} {
		t.Errorf("counted %v", got)
	}
}

// TestHeldWhileWaiting for its turn under another limit of the phase, and free
// again when that is given up.
func TestHeldWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, smooth := few(t, "few", 2), limitOf(t, "smooth", &limits.LeakyBucket{Rate: "1/s", Queue: 2})
		w := newWorld(t, nil, alone(l, smooth))
		w.ask("/shop")
		ctx, cancel := context.WithCancelCause(t.Context())
		w.ctx = ctx
		during := int64(-1)
		time.AfterFunc(time.Second/2, func() {
			during = inFlight(l)
			cancel(errors.New("gone"))
		})
		if got := w.ask("/shop"); got != 0 || during != 1 || inFlight(l) != 0 {
			t.Errorf("%d, %d in flight while it waited, %d afterwards", got, during, inFlight(l))
		}
	})
}

// TestReducedCapacity is the answer when nobody but the service's own limit has
// refused.
func TestReducedCapacity(t *testing.T) {
	full := func(mode Mode) *Limit {
		l := limitOf(t, "bearable", &limits.AdaptiveConcurrency{MinLimit: 1, MaxLimit: 1}, keyed(), func(s *Spec) { s.Mode = mode })
		l.holder.Begin(nil, 1, limits.Time{}, false)
		return l
	}
	for name, c := range map[string]struct {
		list   []*Limit
		status int
		denied uint64
	}{
		"alone":             {[]*Limit{full(Enforcing)}, 503, 1},
		"beside one":        {[]*Limit{bucket(t, "wide", 9), full(Enforcing)}, 503, 1},
		"beside a refusal":  {[]*Limit{few(t, "none", 0+1), bucket(t, "narrow", 1, func(s *Spec) { s.Cost = 2 }), full(Enforcing)}, 429, 1},
		"that only watches": {[]*Limit{full(Permissive)}, 200, 0},
	} {
		w := newWorld(t, nil, alone(c.list...))
		l := c.list[len(c.list)-1]
		if got := w.ask("/shop"); got != c.status || l.Counters.Denied.Load() != c.denied || l.Counters.WouldDeny.Load() != 1-c.denied {
			t.Errorf("%s: %d, counted %v", name, got, l.Counters.all())
		}
		if inFlight(l) != 1 {
			t.Errorf("%s: %d in flight", name, inFlight(l))
		}
	}
}

// TestHeldByMany at once is exact.
func TestHeldByMany(t *testing.T) {
	const most = 3
	l := few(t, "few", most, keyed())
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			w := newWorld(t, nil, append(alone(l), look(func(*proxy.Exchange) bool {
				if n := inFlight(l); n < 1 || n > most {
					t.Errorf("%d in flight", n)
				}
				return true
			})))
			for range 200 {
				if got := w.ask("/shop"); got != 200 && got != 429 {
					t.Errorf("%d", got)
				}
			}
		})
	}
	wg.Wait()
	if c := l.Counters; inFlight(l) != 0 || c.Allowed.Load()+c.Denied.Load() != 32*200 {
		t.Errorf("%d are left, counted %v", inFlight(l), c.all())
	}
}

// body is a request's body of some pieces.
type body struct{ pieces []int }

func (b *body) Next() ([]byte, error) {
	if len(b.pieces) == 0 {
		return nil, io.EOF
	}
	n := b.pieces[0]
	b.pieces = b.pieces[1:]
	return make([]byte, n), nil
}
func (b *body) Ready() bool            { return true }
func (b *body) Trailer() *proxy.Fields { return nil }

// TestMeteredBody is charged for as it is read, once, beyond what it was charged
// before.
func TestMeteredBody(t *testing.T) {
	l := bucket(t, "volume", 100, func(s *Spec) { s.Unit = Bytes })
	x := new(proxy.Exchange)
	x.Client = netipAddr("192.0.2.7")
	x.Request.Body, x.Request.Length = &body{pieces: []int{40, 0, 20, 70}}, proxy.Unknown
	p := NewPhase([]*Limit{l}, nil)
	if !p.Request(x) {
		t.Fatal("refused")
	}
	left := func() limits.Decision { return l.Limiter.Peek(l.key(x), 0, x.Start) }
	for n, want := range []int64{99, 60, 60, 40, 0, 0} {
		if d := left(); d.Remaining != want {
			t.Errorf("after %d pieces %d are left, want %d", n, d.Remaining, want)
		}
		_, _ = x.Request.Body.Next() // an end is an end
	}
	if d := left(); d.ResetAfter != 130*time.Hour {
		t.Errorf("what is owed takes %v to come back", d.ResetAfter)
	}
	known := &body{}
	x.Request.Body, x.Request.Length = known, 10
	if l.meter(x); x.Request.Body != proxy.Body(known) || l.cost(x) != 10 {
		t.Error("a body of known length is metered")
	}
	x.Request.Body = nil
	if !p.Request(x) {
		t.Error("a request without a body is refused")
	}
}

func TestPrices(t *testing.T) {
	p := Cost{Each: 2, Methods: []MethodCost{{proxy.MethodGet, 5}, {proxy.MethodPost, 0}}}.prices()
	for m, want := range map[proxy.Method]int64{
		proxy.MethodGet: 5, proxy.MethodHead: 5, proxy.MethodPost: 0, proxy.MethodPut: 2, proxy.MethodOther: 2, proxy.MethodTrace: 2,
	} {
		if p[m] != want {
			t.Errorf("%v costs %d, want %d", m, p[m], want)
		}
	}
	if p := (Cost{Each: 1, Methods: []MethodCost{{proxy.MethodGet, 5}, {proxy.MethodHead, 1}}}).prices(); p[proxy.MethodHead] != 1 {
		t.Errorf("HEAD has a price of its own, not %d", p[proxy.MethodHead])
	}
	for name, c := range map[string]struct {
		text string
		want Cost
	}{
		"none":    {``, Cost{Each: 1}},
		"null":    {`cost = null`, Cost{Each: 1}},
		"number":  {`cost = 3`, Cost{Each: 3}},
		"object":  {`cost = { PUT = 4, GET = 0 }`, Cost{Each: 1, Methods: []MethodCost{{proxy.MethodGet, 0}, {proxy.MethodPut, 4}}}},
		"others":  {`cost = { other = 7, GET = 2 }`, Cost{Each: 7, Methods: []MethodCost{{proxy.MethodGet, 2}}}},
		"as null": {`cost = { GET = null }`, Cost{Each: 1, Methods: []MethodCost{{proxy.MethodGet, 1}}}},
	} {
		s, diags := decode(t, "limit \"token_bucket\" \"a\" {\n rate = \"10/s\"\n"+c.text+"\n}")
		if len(diags) > 0 || !reflect.DeepEqual(s.Price(), c.want) {
			t.Errorf("%s: %+v, %v", name, s.Price(), diags)
		}
	}
}

// TestCharging something else leaves the limit itself as it is.
func TestCharging(t *testing.T) {
	l := bucket(t, "a", 9)
	other := l.Charging(Cost{Each: 4})
	w := newWorld(t, nil, alone(other))
	w.ask("/shop")
	if d := l.Limiter.Peek(l.key(&w.x), 0, w.x.Start); d.Remaining != 5 || l.prices[proxy.MethodGet] != 1 || other.Counters != l.Counters {
		t.Errorf("%d left", d.Remaining)
	}
}

func TestKeyText(t *testing.T) {
	key := limits.AppendPartString(limits.AppendPartString(nil, byte(ServiceName), "orders"), byte(RouteName), "get")
	for want, in := range map[string][]byte{"orders+get": key, "all": nil, "?": key[:len(key)-1], "orders": key[:8]} {
		if got := KeyText(in); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
	if got := KeyText([]byte{1}); got != "?" {
		t.Errorf("half a part is %s", got)
	}
}
