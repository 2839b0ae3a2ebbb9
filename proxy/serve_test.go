package proxy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/limit"
	"github.com/lictor/lictor/proxy/upstream"
)

// TestTableSwapKeepsRequests: a request that has begun ends by the table that it
// began with.
func TestTableSwapKeepsRequests(t *testing.T) {
	var g *gateway
	m := &memory{script: func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
		empty, err := proxy.NewTable(2, nil, nil)
		if err != nil {
			return err
		}
		g.proxy.Swap(empty)
		m.answer(x, []byte(reply))
		return nil
	}}
	g = newGateway(t, m)
	g.serve(get("/orders"))
	if l := g.logged(); l["status"] != 200.0 || l["route"] != "orders" {
		t.Errorf("logged as %v", l)
	}
	if g.serve(get("/orders")); g.x.Response.Status != 404 {
		t.Errorf("the next got %d", g.x.Response.Status)
	}
}

func TestRoutesMustCompile(t *testing.T) {
	r := &proxy.Route{}
	if _, err := proxy.NewTable(1, nil, []*proxy.Route{r}); err == nil {
		t.Error("a route without a name is fine")
	}
}

// TestExchangeIsUsedAgain: nothing of one request shows in the next.
func TestExchangeIsUsedAgain(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply), script: fails(failure(proxy.Refused, false, false))}, trustedProxies)
	g.serve(method("PUT", "/orders/%41?a=1", "X-Forwarded-For: 203.0.113.5", "X-Request-Id: first", "User-Agent: a", "Referer: b") + "hello")
	g.script = nil
	g.serve(get("/nothing"))
	l := g.logged()
	for name, want := range map[string]any{
		"client": "192.0.2.7", "path": "/nothing", "query": "", "bytes_in": 0.0, "upstream_ms": 0.0, "route": "-", "service": "", "instance": "",
		"retries": 0.0, "limit": "", "user_agent": "", "referer": "", "error": "no-route",
	} {
		if l[name] != want {
			t.Errorf("%s: %v, want %v", name, l[name], want)
		}
	}
	if l["request_id"] == "first" {
		t.Error("the request id is the last one's")
	}
}

// TestElapsed: steps and engines see the pipeline's clock.
func TestElapsed(t *testing.T) {
	looked := false
	g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) {
		s.route.Steps = []proxy.Step{stepFunc(func(x *proxy.Exchange) bool {
			looked = true
			if _, bounded := x.Remaining(); bounded || x.Elapsed() < 0 {
				t.Errorf("bounded %v, %v elapsed", bounded, x.Elapsed())
			}
			if x.Route.Name() != "orders" || x.Endpoint != nil || len(x.Space()) != 0 {
				t.Errorf("the step sees %+v", x.Route)
			}
			return true
		})}
	})
	if g.serve(get("/orders")); !looked {
		t.Error("the step did not run")
	}
}

// FuzzServe throws anything at the whole pipeline: it never panics, answers
// once, logs one line that parses, and keeps nothing in flight.
func FuzzServe(f *testing.F) {
	f.Add("GET", "/orders/1?a=1", "api.example.com", "X-Forwarded-For", "1.2.3.4", "Connection", "close", "", uint8(0))
	f.Add("POST", "//orders/%2e%2e/x", "[::1]:80", "Forwarded", "for=\"[::1]\"", "Connection", "x-forwarded-for", "body", uint8(1))
	f.Add("PUT", "/orders/..;/x?token=x#y", "a:b:c", "Upgrade", "websocket", "X_Real_IP", "\xff", "body", uint8(7))
	f.Add("HEAD", "*", "", "Traceparent", "00-", "Referer", "?&;=#", "", uint8(255))
	trust := func(s *setup) { trustedProxies(s); s.route.StripPrefix = "/orders" }
	one := func(s *setup) {
		s.gateway = phase(newLimit(f, "host", "1000000/s", 0, func(l *limit.Spec) {
			l.Key = []limit.KeyPart{{Kind: limit.RequestHost}, {Kind: limit.RequestHeader, Name: "x-api-key"}}
		}))
		s.route.Steps = phase(newLimit(f, "a", "1000000/s", 0), newLimit(f, "b", "5000/s", 100))
	}
	m := &memory{reply: []byte(reply), script: nil}
	gateways := []*gateway{
		newGateway(f, m, one), newGateway(f, m, one, trust), newGateway(f, m, trust, readForwarded),
		newGateway(f, m, one, func(s *setup) { s.format = proxy.CombinedLog }),
	}
	f.Fuzz(func(t *testing.T, verb, target, host, n1, v1, n2, v2, body string, mode uint8) {
		if verb == "" || strings.ContainsAny(verb+target, " \r\n") || strings.ContainsAny(host+n1+v1+n2+v2, "\r\n") {
			return
		}
		g := gateways[mode%4]
		g.t = t
		switch mode / 4 % 8 {
		case 1:
			m.script = fails(failure(proxy.Refused, false, false))
		case 2:
			m.script = fails(failure(proxy.Broke, true, false))
		case 3:
			m.script = fails(failure(proxy.ClientGone, true, false))
		case 4:
			m.script = streams(&stream{script: []string{"a", "wait:b"}, err: errScripted})
		case 5:
			m.fail, m.script = "body", nil
		case 6:
			m.script = func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
				m.answer(x, []byte(switching))
				x.Response.Body = nil
				return nil
			}
		default:
			m.script = nil
		}
		defer func() { m.fail, m.script = "", nil }()
		g.file.b.Reset() // nobody writes between two exchanges
		g.serve(verb + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + n1 + ": " + v1 + "\r\n" + n2 + ": " + v2 + "\r\n\r\n" + body)
		if mode%4 != 3 {
			g.logged()
		}
		if x := &g.x; x.Problem != nil && x.Request.Verb != proxy.MethodHead && g.aborts == 0 {
			if !json.Valid([]byte(g.answered().body)) {
				t.Errorf("%q", g.answered().body)
			}
		}
		if g.heads > 0 && g.answered().get("X-Request-Id") != string(g.x.RequestID()) {
			t.Errorf("no id: %q", g.wire)
		}
		sent := g.forwarded()
		if mode%4 == 0 && g.tries > 0 {
			for name, want := range map[string]string{"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "-", "Forwarded": "-", "X-Original-URL": "-"} {
				if got := sent.get(name); len(g.sent) > 0 && got != want {
					t.Errorf("%s: %s", name, got)
				}
			}
		}
	})
}

// BenchmarkParts measures what parts of a request cost.
func BenchmarkParts(b *testing.B) {
	plain := get("/orders/17", "User-Agent: test", "Accept: */*")
	for name, c := range map[string]struct {
		request string
		options []func(*setup)
	}{
		"bare":                  {plain, []func(*setup){unlimited}},
		"limit":                 {plain, nil},
		"404":                   {get("/nothing"), []func(*setup){unlimited}},
		"behind a proxy":        {get("/orders/17", "X-Forwarded-For: 203.0.113.5", "X-Request-Id: abc"), []func(*setup){unlimited, trustedProxies}},
		"path rewritten":        {get("/orders//%31%37", "User-Agent: test", "Accept: */*"), []func(*setup){unlimited}},
		"50 instances":          {plain, []func(*setup){unlimited, instances(50)}},
		"body kept":             {method("PUT", "/orders/17") + "hello", []func(*setup){unlimited}},
		"lookalikes and forged": {get("/orders/17", forgedLines()...), []func(*setup){unlimited}},
	} {
		b.Run(name, func(b *testing.B) {
			m := &memory{reply: []byte(reply)}
			g := newGateway(b, m, append(c.options, silent)...)
			raw := []byte(c.request)
			b.ReportAllocs()
			for b.Loop() {
				g.proxy.Serve(g.request(raw, g.conn))
			}
		})
	}
}
