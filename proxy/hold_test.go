package proxy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// witness is a holder of places that writes down what it is told.
type witness struct {
	limits.Holder
	told []string
	took []time.Duration
	end  func() // called at the end of a hold, unless nil
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	s, err := (&limits.Concurrency{Max: 9}).Spec()
	if err != nil {
		t.Fatal(err)
	}
	return &witness{Holder: s.New(limits.Options{}).(limits.Holder)}
}

func (w *witness) Answered(_ limits.Hold, took time.Duration, o limits.Outcome, _ limits.Time) {
	w.told = append(w.told, [...]string{"unrelated", "served", "dropped", "left"}[o])
	w.took = append(w.took, took)
}

func (w *witness) End(h limits.Hold) {
	w.told = append(w.told, "end")
	if w.end != nil {
		w.end()
	}
	w.Holder.End(h)
}

// Request implements proxy.Step.
func (w *witness) Request(x *proxy.Exchange) bool {
	_, h := w.Begin([]byte("key"), 1, x.Start, false)
	x.Hold(w, h)
	x.Hold(w, limits.Hold{}) // is nothing
	return true
}

// TestHoldersHear how each attempt went, and of the end, once and before the client
// can know of it.
func TestHoldersHear(t *testing.T) {
	fails := func(c proxy.Cause, sent bool) func(*memory, int, *proxy.Exchange, *upstream.Endpoint) error {
		return func(*memory, int, *proxy.Exchange, *upstream.Endpoint) error {
			return &proxy.ForwardError{Cause: c, Sent: sent, Err: errors.New("failed")}
		}
	}
	status := func(n int) []byte { return fmt.Appendf(nil, "HTTP/1.1 %d X\r\n\r\nbody", n) }
	for name, c := range map[string]struct {
		m    *memory
		told string
	}{
		"served":                      {&memory{reply: status(200)}, "served end"},
		"its own refusal":             {&memory{reply: status(429)}, "served end"},
		"broken by itself":            {&memory{reply: status(500)}, "unrelated end"},
		"full":                        {&memory{reply: status(503)}, "dropped end"},
		"too slow for it":             {&memory{reply: status(504)}, "dropped end"},
		"too slow":                    {&memory{script: fails(proxy.TimedOut, true)}, "dropped end"},
		"gone":                        {&memory{script: fails(proxy.ClientGone, true)}, "left end"},
		"a broken body":               {&memory{script: fails(proxy.ClientBad, true)}, "unrelated end"},
		"refused, and more":           {&memory{script: fails(proxy.Refused, false)}, "unrelated unrelated end"},
		"a client that can't be told": {&memory{reply: status(200), fail: "head"}, "served end"},
		"nor at the end":              {&memory{reply: status(200), fail: "end"}, "served end"},
	} {
		w := newWitness(t)
		g := newGateway(t, c.m, func(s *setup) { s.route.Steps = []proxy.Step{w} })
		g.serve(get("/orders"))
		if got := strings.Join(w.told, " "); got != c.told || w.InFlight() != 0 {
			t.Errorf("%s: told %s, want %s; %d in flight", name, got, c.told, w.InFlight())
		}
		if slices.ContainsFunc(w.took, func(d time.Duration) bool { return d < 0 }) {
			t.Errorf("%s: it took %v", name, w.took)
		}
	}
}

// TestPlaceIsFreeBeforeTheLastByte of an answer of known length: a client that has
// read so much knows that it is over.
func TestPlaceIsFreeBeforeTheLastByte(t *testing.T) {
	w := newWitness(t)
	m := &memory{reply: []byte("HTTP/1.1 200 OK\r\n\r\nbody")}
	var early string
	w.end = func() { early = string(m.wire) }
	g := newGateway(t, m, func(s *setup) { s.route.Steps = []proxy.Step{w} })
	g.serve(get("/orders"))
	if all := string(m.wire); !strings.HasSuffix(all, "body") || early == "" || strings.HasSuffix(early, "body") {
		t.Errorf("%q was sent while the place was taken, of %q", early, all)
	}
}

// TestUnhold ends what came after a mark, and no more.
func TestUnhold(t *testing.T) {
	w := newWitness(t)
	var x proxy.Exchange
	hold := func() {
		_, h := w.Begin([]byte("key"), 1, limits.Time{}, false)
		x.Hold(w, h)
	}
	hold()
	mark := x.Held()
	hold()
	hold()
	x.Unhold(mark)
	if x.Held() != 1 || w.InFlight() != 1 || len(w.told) != 2 {
		t.Errorf("%d held, %d in flight, told %v", x.Held(), w.InFlight(), w.told)
	}
	x.Unhold(0)
	x.Unhold(0)
	if x.Held() != 0 || w.InFlight() != 0 || len(w.told) != 3 {
		t.Errorf("%d held, %d in flight, told %v", x.Held(), w.InFlight(), w.told)
	}
}

// TestFieldsOfPlaces name the unit, and no time.
func TestFieldsOfPlaces(t *testing.T) {
	info := func(p limits.Policy) *proxy.LimitInfo {
		return proxy.NewLimitInfo("a", p, proxy.StandardHeaders, false, "all")
	}
	for want, p := range map[string]limits.Policy{
		`"a";q=9;qu="concurrent-requests" "a";r=3`:    {Quota: 9, Unit: limits.ConcurrentRequests},
		`"a";q=9;qu="content-bytes";w=60 "a";r=3;t=7`: {Quota: 9, Unit: limits.ContentBytes, Window: time.Minute},
		`"a";q=9 "a";r=3;t=7`:                         {Quota: 9, Window: 30 * 24 * time.Hour, Varies: true},
	} {
		g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) {
			s.route.Steps = []proxy.Step{verdict{proxy.Verdict{Limit: info(p), Decision: limits.Decision{Allowed: true, Remaining: 3, ResetAfter: 7 * time.Second}}}}
		})
		g.serve(get("/orders"))
		if m := g.answered(); m.get("RateLimit-Policy")+" "+m.get("RateLimit") != want {
			t.Errorf("%s and %s, want %s", m.get("RateLimit-Policy"), m.get("RateLimit"), want)
		}
	}
}

type verdict struct{ proxy.Verdict }

// Request implements proxy.Step.
func (v verdict) Request(x *proxy.Exchange) bool {
	x.Verdicts = append(x.Verdicts, v.Verdict)
	return true
}
