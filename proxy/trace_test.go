package proxy_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// recorded is what a tracer is told of one exchange.
type recorded struct {
	proxy.Trace
	status    int
	requestID string
	took      bool // the end is not before the start
}

// notebook is a tracer.
type notebook struct{ all []recorded }

func (n *notebook) Record(x *proxy.Exchange, end limits.Time) {
	t := *x.Trace()
	t.Attempts = append([]proxy.TracedAttempt(nil), t.Attempts...)
	n.all = append(n.all, recorded{t, x.Response.Status, string(x.RequestID()), end.Mono >= x.Start.Mono})
}

const (
	theirTrace = "0af7651916cd43dd8448eb211c80319c"
	theirSpan  = "b7ad6b7169203331"
)

func traced(t testing.TB, m *memory, ratio float64, parentBased bool, options ...func(*setup)) (*gateway, *notebook) {
	t.Helper()
	g := newGateway(t, m, append(options, unlimited)...)
	n := &notebook{}
	g.proxy.SetTracing(proxy.NewTracing(n, ratio, parentBased))
	return g, n
}

// parts splits a traceparent.
func parts(t testing.TB, v string) (trace, span, flags string) {
	t.Helper()
	p := strings.Split(v, "-")
	if len(p) != 4 || p[0] != "00" || len(p[1]) != 32 || len(p[2]) != 16 || len(p[3]) != 2 {
		t.Fatalf("%q is no traceparent", v)
	}
	return p[1], p[2], p[3]
}

func TestTraceBegins(t *testing.T) {
	for _, sampled := range []bool{true, false} {
		ratio, wantFlags := 0.0, "02"
		if sampled {
			ratio, wantFlags = 1, "03"
		}
		g, n := traced(t, &memory{reply: []byte(reply)}, ratio, true)
		// Nobody is believed who is not trusted.
		g.serve(get("/orders", "Traceparent: 00-"+theirTrace+"-"+theirSpan+"-01", "Tracestate: a=1"))
		sent := g.forwarded()
		trace, span, flags := parts(t, sent.get("Traceparent"))
		if trace == theirTrace || flags != wantFlags || sent.get("Tracestate") == "a=1" {
			t.Errorf("sampled %v: the instance got %q and the state %q", sampled, sent.get("Traceparent"), sent.get("Tracestate"))
		}
		line := g.logged()
		if !sampled {
			if len(n.all) != 0 || line["trace_id"] != nil {
				t.Errorf("recorded %d, logged as %v", len(n.all), line)
			}
			continue
		}
		if len(n.all) != 1 {
			t.Fatalf("%d exchanges were recorded", len(n.all))
		}
		r := n.all[0]
		if hex.EncodeToString(r.ID[:]) != trace || r.Parent != [8]byte{} || len(r.Attempts) != 1 || hex.EncodeToString(r.Attempts[0].Span[:]) != span {
			t.Errorf("recorded as %+v, the instance got %q", r, sent.get("Traceparent"))
		}
		if line["trace_id"] != trace || line["span_id"] != hex.EncodeToString(r.Span[:]) || line["request_id"] != r.requestID || sent.get("X-Request-Id") != r.requestID {
			t.Errorf("logged as %v", line)
		}
		if a := r.Attempts[0]; a.Status != 200 || a.Err != nil || a.Endpoint == nil || a.Head < a.Start || a.Start == 0 || !r.took || r.status != 200 {
			t.Errorf("recorded as %+v", r)
		}
	}
}

func TestTraceGoesOn(t *testing.T) {
	for _, c := range []struct {
		flags       string
		ratio       float64
		parentBased bool
		recorded    bool
		want        string // flags, or "kept"
	}{
		{"01", 0, true, true, "01"},
		{"03", 0, true, true, "03"},
		{"00", 1, true, false, "kept"},
		{"02", 1, true, false, "kept"},
		{"01", 0, false, false, "00"},
		{"00", 1, false, true, "01"},
	} {
		t.Run(fmt.Sprintf("%s, ratio %v, parent-based %v", c.flags, c.ratio, c.parentBased), func(t *testing.T) {
			g, n := traced(t, &memory{reply: []byte(reply)}, c.ratio, c.parentBased, trustedProxies)
			received := "00-" + theirTrace + "-" + theirSpan + "-" + c.flags
			g.serve(get("/orders", "Traceparent: "+received, "Tracestate: a=1"))
			sent := g.forwarded()
			got := sent.get("Traceparent")
			trace, span, flags := parts(t, got)
			if c.want == "kept" {
				if got != received {
					t.Errorf("the instance got %q", got)
				}
			} else if span == theirSpan || flags != c.want {
				t.Errorf("the instance got %q", got)
			}
			if trace != theirTrace || sent.get("Tracestate") != "a=1" {
				t.Errorf("the instance got %q and the state %q", got, sent.get("Tracestate"))
			}
			if (len(n.all) == 1) != c.recorded {
				t.Fatalf("%d exchanges were recorded", len(n.all))
			}
			if c.recorded && hex.EncodeToString(n.all[0].Parent[:]) != theirSpan {
				t.Errorf("the parent is %x", n.all[0].Parent)
			}
		})
	}
}

// TestTracedAttempts: each instance is told of the attempt that it is asked by.
func TestTracedAttempts(t *testing.T) {
	var told []string
	m := &memory{script: func(m *memory, try int, x *proxy.Exchange, _ *upstream.Endpoint) error {
		told = append(told, string(x.Request.Fields.Get(proxy.Traceparent)))
		if try == 1 {
			return failure(proxy.Refused, false, false)
		}
		x.Upstream = proxy.HTTP2
		m.answer(x, []byte(reply))
		return nil
	}}
	g, n := traced(t, m, 1, true)
	g.serve(get("/orders"))
	if len(told) != 2 || len(n.all) != 1 || len(n.all[0].Attempts) != 2 {
		t.Fatalf("told %q, recorded %+v", told, n.all)
	}
	r := n.all[0]
	for i, v := range told {
		if trace, span, _ := parts(t, v); trace != hex.EncodeToString(r.ID[:]) || span != hex.EncodeToString(r.Attempts[i].Span[:]) {
			t.Errorf("attempt %d was told %q: %+v", i, v, r)
		}
	}
	if a, b := r.Attempts[0], r.Attempts[1]; a.Err == nil || a.Status != 0 || b.Err != nil || b.Status != 200 || a.Endpoint == b.Endpoint || a.Span == b.Span || a.Head > b.Start || a.Protocol != 0 || b.Protocol != proxy.HTTP2 {
		t.Errorf("recorded as %+v", r)
	}
	// Nothing of it is there the next time.
	m.script = fails(failure(proxy.Broke, true, true))
	g.serve(get("/orders"))
	if r := n.all[1]; len(r.Attempts) != 1 || r.Attempts[0].Status != 0 || r.status != 502 {
		t.Errorf("recorded as %+v", r)
	}
}

// TestTracedAnswers: what the gateway answers by itself is recorded as well, but for
// what load balancers ask.
func TestTracedAnswers(t *testing.T) {
	g, n := traced(t, &memory{reply: []byte(reply)}, 1, true, func(s *setup) { s.listener.HealthPath = "/health" })
	g.serve(get("/nothing"))
	if len(n.all) != 1 || n.all[0].status != 404 || len(n.all[0].Attempts) != 0 {
		t.Errorf("recorded %+v", n.all)
	}
	g.serve(get("/health"))
	if len(n.all) != 1 || g.logged()["trace_id"] != nil {
		t.Errorf("a look at the health was recorded: %v", g.logged())
	}
	x := g.request([]byte(get("/orders")), g.conn)
	g.proxy.Refuse(x, proxy.Malformed, "", nil)
	if len(n.all) != 2 || n.all[1].status != 400 {
		t.Errorf("recorded %+v", n.all)
	}
}

func TestTracingCanChange(t *testing.T) {
	g, n := traced(t, &memory{reply: []byte(reply)}, 1, true)
	g.serve(get("/orders"))
	g.proxy.SetTracing(nil)
	g.serve(get("/orders"))
	if line := g.logged(); len(n.all) != 1 || line["trace_id"] != nil {
		t.Errorf("recorded %d, logged as %v", len(n.all), line)
	}
}

// TestSampleRatio: the part that is asked for is sampled, by the id of the trace alone.
func TestSampleRatio(t *testing.T) {
	const requests = 4000
	for _, ratio := range []float64{0, 0.25, 1} {
		g, n := traced(t, &memory{reply: []byte(reply)}, ratio, true, silent)
		for range requests {
			g.proxy.Serve(g.request([]byte(get("/orders")), g.conn))
		}
		// Eight standard deviations of the binomial distribution, and none at its ends.
		spread := 8 * math.Sqrt(requests*ratio*(1-ratio))
		if got, want := float64(len(n.all)), ratio*requests; math.Abs(got-want) > spread {
			t.Errorf("ratio %v: %v of %d were sampled", ratio, got, requests)
		}
	}
	// The boundary is the one of TraceIdRatioBased: the low 63 bits.
	for _, c := range []struct {
		trace   string
		sampled bool
	}{
		{theirTrace[:16] + "7ffffffffffffffe", true},
		{theirTrace[:16] + "7fffffffffffffff", true},
		{theirTrace[:16] + "8000000000000000", false},
		{theirTrace[:16] + "ffffffffffffffff", false},
	} {
		g, n := traced(t, &memory{reply: []byte(reply)}, 0.5, false, trustedProxies)
		g.serve(get("/orders", "Traceparent: 00-"+c.trace+"-"+theirSpan+"-00"))
		if got := len(n.all) == 1; got != c.sampled {
			t.Errorf("%s is sampled: %v", c.trace, got)
		}
	}
}

// TestUnsampledAllocatesNothing: tracing costs a request that is left out no memory.
func TestUnsampledAllocatesNothing(t *testing.T) {
	for name, raw := range map[string]string{
		"of our own":      get("/orders"),
		"of a peer":       get("/orders", "Traceparent: 00-"+theirTrace+"-"+theirSpan+"-00"),
		"sampled by peer": get("/orders", "Traceparent: 00-"+theirTrace+"-"+theirSpan+"-01"),
	} {
		m := &memory{reply: []byte(reply)}
		g, n := traced(t, m, 0, false, silent, trustedProxies)
		discarding(t, g)
		in := []byte(raw)
		once := func() { g.proxy.Serve(m.request(in, g.conn)) }
		once()
		if allocs := testing.AllocsPerRun(1000, once); allocs != 0 || len(n.all) != 0 {
			t.Errorf("%s: %v allocations a request, %d recorded", name, allocs, len(n.all))
		}
	}
}

// BenchmarkTracing compares a whole request without tracing, and with tracing that
// leaves it out.
func BenchmarkTracing(b *testing.B) {
	for _, c := range []struct {
		name  string
		on    bool
		ratio float64
	}{{"off", false, 0}, {"unsampled", true, 0}} {
		b.Run(c.name, func(b *testing.B) {
			m := &memory{reply: []byte(reply)}
			g := newGateway(b, m, silent)
			if c.on {
				g.proxy.SetTracing(proxy.NewTracing(&notebook{}, c.ratio, true))
			}
			in := []byte("GET /orders/17?page=2 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n")
			b.ReportAllocs()
			for b.Loop() {
				g.proxy.Serve(m.request(in, g.conn))
			}
		})
	}
}
