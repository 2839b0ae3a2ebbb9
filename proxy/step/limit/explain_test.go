package limit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// explained asks what would become of a request.
func (w *world) explained(reveal bool, path string, fields ...string) *proxy.Explained {
	x := &proxy.Exchange{Conn: w.conn}
	q := &x.Request
	q.Method, q.Verb, q.Path, q.Host = []byte("GET"), proxy.MethodGet, []byte(path), []byte("api.example.com")
	q.Fields.Reset(nil)
	for i := 0; i < len(fields); i += 2 {
		q.Fields.Foreign(fields[i], fields[i+1])
	}
	return w.proxy.Explain(w.proxy.Table(), x, reveal, nil)
}

// fact returns a fact in words.
func fact(v *proxy.Explanation, name string) string {
	for _, f := range v.Facts {
		if f.Name == name {
			return fmt.Sprint(f.Value)
		}
	}
	return ""
}

// TestExplain has a case for everything that a limit can come to.
func TestExplain(t *testing.T) {
	queue := func(name string, edit ...func(*Spec)) *Limit {
		return limitOf(t, name, &limits.LeakyBucket{Rate: "1/h", Queue: 5}, edit...)
	}
	unknown, _ := shared(t, "there", 2)
	denied, store := shared(t, "there", 1)
	store.Take([]byte{byte(ClientIP), 4, 192, 0, 2, 7}, 1, limits.NewClock().Now())
	store.known = true
	for _, c := range []struct {
		name    string
		limit   *Limit
		before  int // requests that are charged
		waiters int
		status  int
		verdict proxy.Decided // of the step
		part    proxy.Decided
		facts   map[string]string
	}{
		{"passes", bucket(t, "a", 2), 1, 1, 0, proxy.Passes, proxy.Passes, map[string]string{"remaining": "1", "cost": "1", "quota": "2", "key": "[{client.ip 192.0.2.7}]"}},
		{"refuses", bucket(t, "a", 2), 2, 1, 429, proxy.Refuses, proxy.Refuses, map[string]string{"remaining": "0"}},
		{"only watches", bucket(t, "a", 1, mode(Permissive)), 1, 1, 0, proxy.Passes, proxy.WouldRefuse, nil},
		{"costs nothing", bucket(t, "a", 1, func(s *Spec) { s.Cost = 0 }), 1, 1, 0, proxy.Passes, proxy.Passes, map[string]string{"cost": "0", "remaining": "1"}},
		{"delayed", queue("a"), 1, 1, 0, proxy.Delayed, proxy.Delayed, nil},
		{"crowded", queue("a"), 1, 0, 503, proxy.Refuses, proxy.Delayed, nil},
		{"by network", bucket(t, "a", 1, func(s *Spec) { s.IPv4Prefix = 24 }), 0, 1, 0, proxy.Passes, proxy.Passes, map[string]string{"key": "[{client.ip 192.0.2.0/24}]"}},
		{"one for all", bucket(t, "a", 1, keyed()), 0, 1, 0, proxy.Passes, proxy.Passes, map[string]string{"key": "[{all one budget for all}]"}},
		{
			"hidden", bucket(t, "a", 1, keyed(KeyPart{Kind: RequestHeader, Name: "x-key"}, KeyPart{Kind: RouteName})), 0, 1, 0, proxy.Passes, proxy.Passes,
			map[string]string{"key": `[{request.header["x-key"] (hidden)} {route.name shop}]`},
		},
		{
			"missing", bucket(t, "a", 1, keyed(KeyPart{Kind: JWTClaim, Path: []string{"sub"}})), 0, 1, 0, proxy.Passes, proxy.Passes,
			map[string]string{"key": "[{jwt.sub missing, so 192.0.2.7}]"},
		},
		{"elsewhere", unknown, 0, 1, 0, proxy.NotKnown, proxy.NotKnown, map[string]string{"remaining": ""}},
		{"elsewhere, known", denied, 0, 1, 429, proxy.Refuses, proxy.Refuses, map[string]string{"remaining": "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil, steps(NewPhase([]*Limit{c.limit}, limits.NewWaiters(c.waiters))))
			for range c.before {
				x := &w.x
				x.W, x.Conn = w.engine, w.conn
				w.ask("/shop", "X-Key", "hush")
			}
			before, counted := c.limit.Limiter.Top(10, limits.Time{}), c.limit.Counters.all()
			e := w.explained(false, "/shop", "X-Key", "hush")
			v := &e.Steps[0]
			if v.Verdict != c.verdict || v.Parts[0].Verdict != c.part || e.Known != (c.verdict != proxy.NotKnown) {
				t.Errorf("%+v", v)
			}
			if e.Answer == nil && c.status != 0 || e.Answer != nil && e.Answer.Status != c.status {
				t.Errorf("answered %+v", e.Answer)
			}
			for name, want := range c.facts {
				if got := fact(&v.Parts[0], name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if after := c.limit.Limiter.Top(10, limits.Time{}); fmt.Sprint(after) != fmt.Sprint(before) || c.limit.Counters.all() != counted {
				t.Errorf("from %v to %v", before, after)
			}
			if revealed := fmt.Sprint(w.explained(true, "/shop", "X-Key", "hush").Steps); strings.Contains(revealed, "hush") != (c.name == "hidden") {
				t.Errorf("revealed: %s", revealed)
			}
		})
	}
}

// The digest is the one by which a limit lists its keys.
func TestExplainedDigest(t *testing.T) {
	l := bucket(t, "a", 5)
	w := newWorld(t, nil, alone(l))
	w.ask("/shop")
	top := l.Limiter.Top(1, w.x.Start)
	if got := fact(&w.explained(false, "/shop").Steps[0].Parts[0], "digest"); len(top) != 1 || got != top[0].Digest {
		t.Errorf("%q, listed is %+v", got, top)
	}
}

// A place that an explanation would need is not taken, and a full house is told of.
func TestExplainHoldsNothing(t *testing.T) {
	l := limitOf(t, "places", &limits.Concurrency{Max: 1}, keyed())
	w := newWorld(t, nil, alone(l))
	for range 3 {
		if e := w.explained(false, "/shop"); e.Answer != nil {
			t.Fatalf("answered %+v", e.Answer)
		}
	}
	if n := l.holder.InFlight(); n != 0 {
		t.Fatalf("%d places are taken", n)
	}
	_, hold := l.holder.Begin(nil, 1, limits.Time{}, false)
	e := w.explained(false, "/shop")
	if e.Answer == nil || e.Answer.Status != 429 || e.Steps[0].Parts[0].Why != "as much is in flight as may be" {
		t.Errorf("%+v", e.Steps)
	}
	l.holder.End(hold)
}

// All limits of a phase are told of, and who refuses is named.
func TestExplainPhase(t *testing.T) {
	wide, narrow := bucket(t, "wide", 5), bucket(t, "narrow", 1)
	w := newWorld(t, alone(bucket(t, "gateway", 9)), alone(wide, narrow), func(r *proxy.Route) { r.Timeout = time.Minute })
	w.ask("/shop")
	e := w.explained(false, "/shop")
	p := e.Steps[0].Parts
	if len(p) != 2 || p[0].Verdict != proxy.Passes || p[1].Verdict != proxy.Refuses || fact(&p[0], "remaining") != "4" {
		t.Errorf("%+v", e.Steps)
	}
	if len(e.Gateway) != 1 || fact(&e.Gateway[0].Parts[0], "remaining") != "8" {
		t.Errorf("%+v", e.Gateway)
	}
	for _, f := range e.Answer.Fields {
		if f.Name == "Retry-After" && f.Value == "3600" {
			return
		}
	}
	t.Errorf("%+v", e.Answer.Fields)
}
