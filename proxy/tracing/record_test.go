package tracing_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/tracing"
	"github.com/lictor/lictor/proxy/trial"
)

// verdict is a step that notes what limits have said.
type verdict []proxy.Verdict

func (v verdict) Request(x *proxy.Exchange) bool {
	x.Verdicts = append(x.Verdicts, v...)
	if slices.ContainsFunc(v, func(v proxy.Verdict) bool { return !v.Decision.Allowed && !v.Limit.Permissive }) {
		x.Deny()
		return false
	}
	return true
}

func said(name string, permissive bool, d limits.Decision) proxy.Verdict {
	return proxy.Verdict{Limit: proxy.NewLimitInfo(name, limits.Policy{Quota: 1}, proxy.NoHeaders, permissive, "client.ip"), Decision: d}
}

// record serves requests, all of them sampled, and returns the spans.
func record(t *testing.T, route *proxy.Route, edit func(*trial.Gateway), ask func(*trial.Gateway)) tracetest.SpanStubs {
	t.Helper()
	g, err := trial.New(t.Context(), route)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(g)
	}
	memory := tracetest.NewInMemoryExporter()
	r := tracing.New(tracing.Options{
		Service: "edge", Version: "1.2.3", Instance: "edge-1", Resource: map[string]string{"team": "gate"},
		Exporter: kept{memory}, Queue: 100, Timeout: time.Second, Logger: hclog.NewNullLogger(),
	})
	g.SetTracing(proxy.NewTracing(r, 1, true))
	ask(g)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Run(ctx, time.Minute)
	return memory.GetSpans()
}

// kept is an exporter that does not forget when it is shut down.
type kept struct{ *tracetest.InMemoryExporter }

func (kept) Shutdown(context.Context) error { return nil }

func attributes(s tracetest.SpanStub) map[string]string {
	m := map[string]string{}
	for _, a := range s.Attributes {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

// spans returns the server's and the clients' spans of one exchange.
func spans(t *testing.T, all tracetest.SpanStubs) (server tracetest.SpanStub, clients []tracetest.SpanStub) {
	t.Helper()
	found := 0
	for _, s := range all {
		if s.SpanKind == trace.SpanKindServer {
			server = s
			found++
		} else {
			clients = append(clients, s)
		}
	}
	if found != 1 {
		t.Fatalf("%d spans of the server's kind", found)
	}
	return server, clients
}

func holds(t *testing.T, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			t.Errorf("%s is %q, want %q", k, g, v)
		}
	}
}

func TestForwardedExchange(t *testing.T) {
	route := &proxy.Route{
		Rule: router.Rule{Name: "orders", PathPattern: "/orders/{id}"}, Service: "orders",
		Steps: []proxy.Step{verdict{
			said("wide", false, limits.Decision{Allowed: true}), said("smooth", false, limits.Decision{Allowed: true, Delay: time.Second}),
			said("trial", true, limits.Decision{}), said("wide2", false, limits.Decision{Allowed: true}),
		}},
	}
	server, clients := spans(t, record(t, route, nil, func(g *trial.Gateway) {
		if a := g.Ask("GET", "Api.Example.com:8443/orders/7?page=2&token=SECRET", "User-Agent: test/1\xff"); a.Status != 200 {
			t.Fatalf("status %d", a.Status)
		}
	}))
	if len(clients) != 1 {
		t.Fatalf("%d spans of the client's kind", len(clients))
	}
	holds(t, attributes(server), map[string]string{
		"http.request.method": "GET", "url.scheme": "http", "url.path": "/orders/7", "url.query": "page=2&token=REDACTED",
		"server.address": "api.example.com", "server.port": "8443", "client.address": "192.0.2.7", "network.peer.address": "192.0.2.7",
		"network.peer.port": "40000", "network.protocol.name": "http", "network.protocol.version": "1.1", "user_agent.original": "test/1\ufffd",
		"http.response.status_code": "200", "http.route": "/orders/{id}", "lictor.route": "orders", "lictor.service": "orders",
		"lictor.instance": "a", "lictor.retries": "0", "lictor.limit.allowed": `["wide","wide2"]`, "lictor.limit.delayed": `["smooth"]`,
		"lictor.limit.would_deny": `["trial"]`,
	})
	got := attributes(server)
	for _, absent := range []string{"error.type", "lictor.problem", "lictor.limit.denied"} {
		if v, ok := got[absent]; ok {
			t.Errorf("%s is %q", absent, v)
		}
	}
	if len(got["lictor.request_id"]) != 32 {
		t.Errorf("the request's id is %q", got["lictor.request_id"])
	}
	if server.Name != "GET /orders/{id}" || server.Status.Code != codes.Unset || server.Parent.IsValid() {
		t.Errorf("the server's span is %+v", server)
	}
	c := clients[0]
	holds(t, attributes(c), map[string]string{
		"http.request.method": "GET", "url.full": "http://10.0.0.1:80/orders/7?page=2&token=REDACTED", "server.address": "10.0.0.1", "server.port": "80",
		"http.response.status_code": "200", "lictor.instance": "a",
	})
	if c.Parent.SpanID() != server.SpanContext.SpanID() || c.SpanContext.TraceID() != server.SpanContext.TraceID() || c.SpanContext.SpanID() == server.SpanContext.SpanID() {
		t.Errorf("the client's span is %v below %v, the server's is %v", c.SpanContext, c.Parent, server.SpanContext)
	}
	if c.StartTime.Before(server.StartTime) || c.EndTime.After(server.EndTime) || len(c.Events) != 1 || c.Events[0].Name != "lictor.response_head" {
		t.Errorf("the client's span is from %v to %v with %v, the server's from %v to %v", c.StartTime, c.EndTime, c.Events, server.StartTime, server.EndTime)
	}
	if since := time.Since(server.StartTime); since < -time.Minute || since > time.Hour {
		t.Errorf("it began at %v", server.StartTime)
	}
	holdsResource(t, server)
}

func holdsResource(t *testing.T, s tracetest.SpanStub) {
	t.Helper()
	got := map[string]string{}
	for _, a := range s.Resource.Attributes() {
		got[string(a.Key)] = a.Value.String()
	}
	holds(t, got, map[string]string{"service.name": "edge", "service.version": "1.2.3", "service.instance.id": "edge-1", "team": "gate"})
}

func TestContinuedTrace(t *testing.T) {
	route := &proxy.Route{Rule: router.Rule{Name: "all", PathPrefix: "/"}, Service: "orders"}
	var upstream string
	server, clients := spans(t, record(t, route, func(g *trial.Gateway) {
		g.Listener.TrustedProxies = append(g.Listener.TrustedProxies, trial.Network(g.Client))
	}, func(g *trial.Gateway) {
		a := g.Ask("GET", "example.com/", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=1,b=2",
			"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Request-Id: their-own")
		upstream = a.Upstream.Header.Get("Traceparent")
	}))
	if got := server.SpanContext.TraceID().String(); got != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("the trace is %s", got)
	}
	if p := server.Parent; p.SpanID().String() != "b7ad6b7169203331" || !p.IsRemote() || server.SpanContext.TraceState().String() != "a=1,b=2" {
		t.Errorf("the parent is %v, the state %q", p, server.SpanContext.TraceState())
	}
	if want := "00-0af7651916cd43dd8448eb211c80319c-" + clients[0].SpanContext.SpanID().String() + "-01"; upstream != want {
		t.Errorf("the instance was told %q, want %q", upstream, want)
	}
	holds(t, attributes(server), map[string]string{
		"client.address": "203.0.113.9", "network.peer.address": "192.0.2.7", "url.scheme": "https", "server.port": "443", "lictor.request_id": "their-own",
	})
}

func TestAnswersOfTheGateway(t *testing.T) {
	route := &proxy.Route{
		Rule: router.Rule{Name: "limited", Path: "/limited"}, Service: "orders",
		Steps: []proxy.Step{verdict{said("tight", false, limits.Decision{RetryAfter: time.Second})}},
	}
	for _, c := range []struct {
		method, address string
		name            string
		want            map[string]string
	}{
		{"GET", "example.com/limited", "GET /limited", map[string]string{
			"http.response.status_code": "429", "lictor.limit.denied": `["tight"]`,
			"lictor.problem": "https://iana.org/assignments/http-problem-types#quota-exceeded", "lictor.route": "limited",
		}},
		{"BREW", "example.com/coffee", "HTTP", map[string]string{
			"http.response.status_code": "404", "lictor.problem": "urn:lictor:problem:no-route", "http.request.method": "_OTHER",
			"http.request.method_original": "BREW",
		}},
	} {
		server, clients := spans(t, record(t, route, nil, func(g *trial.Gateway) { g.Ask(c.method, c.address) }))
		holds(t, attributes(server), c.want)
		// What a client did wrong is no error of the server's.
		if server.Name != c.name || server.Status.Code != codes.Unset || len(clients) != 0 || attributes(server)["error.type"] != "" {
			t.Errorf("%s: %+v and %d attempts", c.address, server, len(clients))
		}
	}
}

func TestErrors(t *testing.T) {
	route := &proxy.Route{Rule: router.Rule{Name: "all", PathRegex: "/.*"}, Service: "orders"}
	server, clients := spans(t, record(t, route, func(g *trial.Gateway) {
		g.Instance = func(r *proxy.Response) { r.Status = 503 }
	}, func(g *trial.Gateway) { g.Ask("POST", "example.com/") }))
	if a := attributes(server); a["error.type"] != "503" || server.Status.Code != codes.Error || a["lictor.problem"] != "" {
		t.Errorf("the server's span is %+v", server)
	}
	if a := attributes(clients[0]); a["error.type"] != "503" || clients[0].Status.Code != codes.Error {
		t.Errorf("the client's span is %+v", clients[0])
	}

	nobody := &proxy.Route{Rule: router.Rule{Name: "all", PathPrefix: "/"}}
	server, _ = spans(t, record(t, nobody, nil, func(g *trial.Gateway) { g.Ask("GET", "example.com/") }))
	if a := attributes(server); a["error.type"] != "service-not-registered" || server.Status.Code != codes.Error || server.Name != "GET /" {
		t.Errorf("the server's span is %+v", server)
	}
}

// TestHostileValues: what clients send is bounded, and the strings are what OTLP
// can carry.
func TestHostileValues(t *testing.T) {
	long := strings.Repeat("\xff\x00", 10_000)
	route := &proxy.Route{Rule: router.Rule{Name: "all", PathPrefix: "/"}, Service: "orders"}
	for _, s := range record(t, route, nil, func(g *trial.Gateway) {
		g.Ask("GET", "h\xff"+"/"+long+"?"+long, "User-Agent: "+long, "tracestate: "+long)
		g.Ask("\xff\xfe", "[::1]:70000/")
	}) {
		for _, a := range s.Attributes {
			if a.Value.Type() != attribute.STRING {
				continue
			}
			if v := a.Value.AsString(); len(v) > 3*2048 || strings.ToValidUTF8(v, "") != v {
				t.Errorf("%s is %.50q, of %d bytes", a.Key, v, len(v))
			}
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	g, err := trial.New(b.Context(), &proxy.Route{Rule: router.Rule{Name: "orders", PathPrefix: "/orders"}, Service: "orders"})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		ratio float64
	}{{"unsampled", 0}, {"sampled", 1}} {
		b.Run(c.name, func(b *testing.B) {
			r := tracing.New(tracing.Options{Service: "edge", Exporter: tracetest.NewNoopExporter(), Queue: 4096, Timeout: time.Second, Logger: hclog.NewNullLogger()})
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan struct{})
			go func() { defer close(done); r.Run(ctx, time.Second) }()
			g.SetTracing(proxy.NewTracing(r, c.ratio, true))
			b.ReportAllocs()
			for b.Loop() {
				g.Serve("GET", "example.com/orders/7?page=2", "User-Agent: test")
			}
			cancel()
			<-done
		})
	}
}
