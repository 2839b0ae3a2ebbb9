package proxy_test

import (
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

func TestMaxBody(t *testing.T) {
	const most = 10
	for _, c := range []struct {
		name   string
		size   int
		length int64
		status int
		tries  int
	}{
		{"as long as may be", most, most, 200, 1},
		{"as long as may be, of no known length", most, proxy.Unknown, 200, 1},
		{"too long by its own account", most + 1, most + 1, 413, 0},
		{"too long, of no known length", most + 1, proxy.Unknown, 413, 1},
		{"far too long", 100, proxy.Unknown, 413, 1},
	} {
		for _, verb := range []string{"POST", "PUT"} {
			m := &memory{script: func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
				got := 0
				for {
					b, err := x.Request.Body.Next()
					if got += len(b); got > most {
						t.Errorf("%s: %d bytes went to the instance", c.name, got)
					}
					if fe, ok := err.(*proxy.ForwardError); ok { //nolint:errorlint // as an engine hands it on
						return fe
					}
					if err != nil {
						m.answer(x, []byte(reply))
						return nil
					}
				}
			}}
			g := newGateway(t, m, func(s *setup) { s.route.MaxBody = most })
			x := g.request([]byte(method(verb, "/orders")), g.conn)
			x.Request.Body, x.Request.Length = &pieces{b: make([]byte, c.size), n: 3}, c.length
			g.proxy.Serve(x)
			g.settled()
			if x.Response.Status != c.status || m.tries != c.tries {
				t.Errorf("%s, %s: %d after %d tries", verb, c.name, x.Response.Status, m.tries)
			}
		}
	}
}

func TestErrorPages(t *testing.T) {
	const page = "<h1>Nothing here</h1>"
	g := newGateway(t, &memory{reply: []byte("HTTP/1.1 404 Not Found\r\n\r\nits own")})
	g.proxy.SetErrorPages(map[int]proxy.ErrorPage{404: {ContentType: "text/html", Body: []byte(page)}})
	g.serve(get("/nothing"))
	if m := g.answered(); m.body != page || m.get("Content-Type") != "text/html" || m.get("Proxy-Status") != "lictor; error=http_request_error" ||
		m.get("X-Request-Id") == "-" || g.x.Response.Length != int64(len(page)) {
		t.Errorf("%+v", m)
	}
	g.serve(method("HEAD", "/nothing"))
	if m := g.answered(); m.body != "" || g.x.Response.Length != int64(len(page)) {
		t.Errorf("HEAD: %+v", m)
	}
	if g.serve(get("/orders")); g.answered().body != "its own" {
		t.Errorf("an instance's answer was replaced: %s", g.wire)
	}
	if g.serve(get("/%00")); g.answered().get("Content-Type") != "application/problem+json" {
		t.Errorf("a status without a page: %s", g.wire)
	}
	g.proxy.SetErrorPages(nil)
	if g.serve(get("/nothing")); g.answered().get("Content-Type") != "application/problem+json" {
		t.Errorf("without pages: %s", g.wire)
	}
}

func TestHealthPath(t *testing.T) {
	ready := true
	l := newLimit(t, "flood", "1/h", 1)
	g := newGateway(t, &memory{}, func(s *setup) {
		s.listener.HealthPath, s.listener.Ready = "/healthz", func() bool { return ready }
		s.gateway = phase(l)
	})
	for range 3 { // no limit is asked
		if g.serve(get("/healthz?x=1")); g.x.Response.Status != 200 || g.tries > 0 {
			t.Errorf("ready: %d", g.x.Response.Status)
		}
	}
	ready = false
	if g.serve(get("/healthz")); g.x.Response.Status != 503 || g.x.Problem != proxy.NotReady {
		t.Errorf("not ready: %d", g.x.Response.Status)
	}
	if g.serve(get("/healthz/x")); g.x.Response.Status != 404 {
		t.Errorf("below it: %d", g.x.Response.Status)
	}
}
