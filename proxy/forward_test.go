package proxy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// fails is a script: the first attempts fail as listed, the next one succeeds.
// An attempt that says that it sent something has read the body first.
func fails(list ...*proxy.ForwardError) func(*memory, int, *proxy.Exchange, *upstream.Endpoint) error {
	return func(m *memory, try int, x *proxy.Exchange, _ *upstream.Endpoint) error {
		if try > len(list) {
			m.send(x)
			m.answer(x, m.reply)
			return nil
		}
		if e := list[try-1]; e.Sent {
			m.send(x)
		}
		return list[try-1]
	}
}

func failure(c proxy.Cause, sent, received bool) *proxy.ForwardError {
	return &proxy.ForwardError{Cause: c, Sent: sent, Received: received, Err: errScripted}
}

func instances(n int) func(*setup) {
	return func(s *setup) {
		s.instances = nil
		for i := range n {
			s.instances = append(s.instances, catalog.Instance{Key: fmt.Sprint(i), Address: "10.0.0.1", Port: 80 + i, Weight: 1})
		}
	}
}

func TestRetries(t *testing.T) {
	refused, broke := failure(proxy.Refused, false, false), failure(proxy.Broke, true, false)
	for _, c := range []struct {
		name    string
		request string
		script  []*proxy.ForwardError
		n       int // instances
		status  int
		tries   int
		problem *proxy.Problem
	}{
		{"at once", get("/orders"), nil, 2, 200, 1, nil},
		{"refused", get("/orders"), []*proxy.ForwardError{refused}, 2, 200, 2, nil},
		{"POST refused", method("POST", "/orders") + "hello", []*proxy.ForwardError{refused}, 2, 200, 2, nil},
		{"POST refused twice", method("POST", "/orders") + "hello", []*proxy.ForwardError{refused, refused}, 3, 200, 3, nil},
		{"refused by all", method("POST", "/orders") + "hello", []*proxy.ForwardError{refused, refused, refused}, 2, 502, 2, proxy.InstanceRefused},
		{"refused by more than are tried", get("/orders"), slices.Repeat([]*proxy.ForwardError{refused}, 20), 20, 502, upstream.MaxAttempts, proxy.InstanceRefused},
		{"broke", get("/orders"), []*proxy.ForwardError{broke}, 2, 200, 2, nil},
		{"broke, with a body", method("PUT", "/orders") + "hello", []*proxy.ForwardError{broke}, 2, 200, 2, nil},
		{"broke everywhere", get("/orders"), []*proxy.ForwardError{broke, broke}, 2, 502, 2, proxy.InstanceBroke},
		{"POST broke", method("POST", "/orders") + "hello", []*proxy.ForwardError{broke}, 2, 502, 1, proxy.InstanceBroke},
		{"POST without a body broke", method("POST", "/orders"), []*proxy.ForwardError{broke}, 2, 502, 1, proxy.InstanceBroke},
		{"an unknown method broke", method("BREW", "/orders"), []*proxy.ForwardError{broke}, 2, 502, 1, proxy.InstanceBroke},
		{"POST broke unsent", method("POST", "/orders") + "hello", []*proxy.ForwardError{failure(proxy.Broke, false, false)}, 2, 200, 2, nil},
		{"broke in the response", get("/orders"), []*proxy.ForwardError{failure(proxy.Broke, true, true)}, 2, 502, 1, proxy.InstanceBroke},
		{"too slow", get("/orders"), []*proxy.ForwardError{failure(proxy.TimedOut, true, false)}, 2, 504, 1, proxy.InstanceTimeout},
		{"body broken", method("POST", "/orders") + "x", []*proxy.ForwardError{failure(proxy.ClientBad, true, false)}, 2, 400, 1, proxy.Malformed},
		{"body stalled", method("PUT", "/orders") + "x", []*proxy.ForwardError{failure(proxy.ClientSlow, false, false)}, 2, 408, 1, proxy.RequestTimeout},
		{"websocket refused", get("/orders", "Connection: upgrade", "Upgrade: websocket"), []*proxy.ForwardError{refused}, 2, 200, 2, nil},
		{"websocket broke", get("/orders", "Connection: upgrade", "Upgrade: websocket"), []*proxy.ForwardError{broke}, 2, 502, 1, proxy.InstanceBroke},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memory{reply: []byte(reply), script: fails(c.script...)}
			g := newGateway(t, m, instances(c.n))
			g.serve(c.request)
			if m.x.Response.Status != c.status || m.tries != c.tries || m.x.Problem != c.problem {
				t.Errorf("%d after %d tries: %+v, want %d after %d", m.x.Response.Status, m.tries, m.x.Problem, c.status, c.tries)
			}
			tried := slices.Clone(m.tried)
			if slices.Sort(tried); len(slices.Compact(tried)) != m.tries {
				t.Errorf("tried %q", m.tried)
			}
			if c.status == 200 {
				_, body, _ := strings.Cut(c.request, "\r\n\r\n")
				if got := m.forwarded().body; got != body {
					t.Errorf("the instance got %q, want %q", got, body)
				}
			}
			wantDone := 0
			if c.status == 200 {
				wantDone = 1
			}
			if len(m.done) != wantDone || wantDone == 1 && !m.done[0] {
				t.Errorf("Done was called %v", m.done)
			}
			l := g.logged()
			if l["retries"] != float64(c.tries-1) || l["instance"] == "" {
				t.Errorf("logged as %v", l)
			}
			if text, _ := l["error"].(string); c.status >= 400 && !strings.Contains(text, "scripted failure") {
				t.Errorf("the log says %q", text)
			}
			if strings.Contains(string(m.wire), "scripted") {
				t.Errorf("the client was told the cause: %s", m.wire)
			}
		})
	}
}

// TestReplayedBytes reads a body in pieces, breaks in the midst of it, and holds
// that the next instance gets the same bytes.
func TestReplayedBytes(t *testing.T) {
	for _, c := range []struct {
		name    string
		size    int
		length  int64 // as the engine knows it
		read    int   // pieces read before it breaks
		replays bool
	}{
		{"nothing read", 100, 100, 0, true},
		{"a part read", 5000, 5000, 2, true},
		{"all read", 5000, 5000, 100, true},
		{"of no known length", 5000, proxy.Unknown, 2, true},
		{"as much as is kept", 64 << 10, 64 << 10, 100, true},
		{"one byte more", 64<<10 + 1, 64<<10 + 1, 1, false},
		{"more than is kept, nothing read", 1 << 20, 1 << 20, 0, true},
		{"more than is kept, of no known length", 64<<10 + 1, proxy.Unknown, 100, false},
		{"more than is kept, the start read", 64<<10 + 1, proxy.Unknown, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := make([]byte, c.size)
			for i := range body {
				body[i] = byte(i * 7)
			}
			var got []byte
			m := &memory{reply: []byte(reply), script: func(m *memory, try int, x *proxy.Exchange, _ *upstream.Endpoint) error {
				got = got[:0]
				for n := 0; try > 1 || n < c.read; n++ {
					b, err := x.Request.Body.Next()
					if err != nil {
						break
					}
					got = append(got, b...)
				}
				if try == 1 {
					return failure(proxy.Broke, true, false)
				}
				m.answer(x, m.reply)
				return nil
			}}
			g := newGateway(t, m)
			x := g.request([]byte(method("PUT", "/orders")), g.conn)
			x.Request.Body, x.Request.Length = &pieces{b: body, n: 1000}, c.length
			g.proxy.Serve(x)
			g.settled()
			if (m.tries == 2) != c.replays {
				t.Fatalf("%d tries, status %d", m.tries, x.Response.Status)
			}
			if c.replays && string(got) != string(body) {
				t.Errorf("the second instance got %d bytes, not the same %d", len(got), len(body))
			}
			if c.replays && x.BytesIn != int64(len(body)) {
				t.Errorf("%d bytes in, want %d", x.BytesIn, len(body))
			}
		})
	}
}

// pieces is a body of pieces of n bytes each. Its memory is used again, as an
// engine's buffer is.
type pieces struct {
	b   []byte
	n   int
	buf [1 << 12]byte
	err error // in place of io.EOF
}

func (p *pieces) Next() ([]byte, error) {
	if len(p.b) == 0 {
		if p.err != nil {
			return nil, p.err
		}
		return (&onceBody{done: true}).Next()
	}
	n := copy(p.buf[:p.n], p.b)
	p.b = p.b[n:]
	return p.buf[:n], nil
}
func (p *pieces) Ready() bool            { return false }
func (p *pieces) Trailer() *proxy.Fields { return nil }

// TestRetryBudget: when everything breaks, retries must not multiply the load.
func TestRetryBudget(t *testing.T) {
	broke := failure(proxy.Broke, true, false)
	m := &memory{reply: []byte(reply), script: func(*memory, int, *proxy.Exchange, *upstream.Endpoint) error { return broke }}
	g := newGateway(t, m, instances(4), silent, unlimited)
	sum := 0
	const n = 1000
	for range n {
		g.proxy.Serve(g.request([]byte(get("/orders")), g.conn))
		sum += m.tries
	}
	// A fifth more, and ten a second over ten seconds.
	if sum > n*12/10+100 {
		t.Errorf("%d requests made %d attempts", n, sum)
	}
	g.settled()
}

func TestNoInstance(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*setup)
		problem *proxy.Problem
	}{
		{"not known yet", func(s *setup) { s.unknown = true }, proxy.ServiceUnknown},
		{"not registered", func(s *setup) { s.instances = nil }, proxy.ServiceUnknown},
		{"none healthy", func(s *setup) {
			for i := range s.instances {
				s.instances[i].Ineligible = "critical"
			}
		}, proxy.NoHealthyInstance},
		{"none with the tag", func(s *setup) { s.spec.Tags = []string{"v2"} }, proxy.NoHealthyInstance},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, &memory{reply: []byte(reply)}, c.edit)
			g.serve(get("/orders"))
			if g.x.Problem != c.problem || g.x.Response.Status != 503 || g.tries > 0 {
				t.Errorf("%d %+v", g.x.Response.Status, g.x.Problem)
			}
			if l := g.logged(); l["service"] != "orders" || l["instance"] != "" || l["upstream_ms"] != 0.0 {
				t.Errorf("logged as %v", l)
			}
		})
	}
}

func TestAtCapacity(t *testing.T) {
	var g, second *gateway
	m := &memory{reply: []byte(reply), script: func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
		// While the only instance is busy, another request comes.
		second.memory.traced = true
		g.proxy.Serve(second.request([]byte(get("/orders")), g.conn))
		m.send(x)
		m.answer(x, m.reply)
		return nil
	}}
	g = newGateway(t, m, instances(1), func(s *setup) { s.spec.MaxConnections = 1 })
	second = &gateway{memory: &memory{reply: []byte(reply)}}
	g.proxy.Serve(g.request([]byte(get("/orders")), g.conn))
	g.settled()
	if second.x.Problem != proxy.Overloaded || second.x.Response.Status != 503 {
		t.Errorf("the second got %d %+v", second.x.Response.Status, second.x.Problem)
	}
	if m.x.Response.Status != 200 {
		t.Errorf("the first got %d", m.x.Response.Status)
	}
}

func TestNoRetryPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{reply: []byte(reply), script: func(_ *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
			left, bounded := x.Remaining()
			if !bounded || left <= 0 {
				t.Errorf("an attempt began with %v left", left)
			}
			time.Sleep(600 * time.Millisecond) // of the bubble's
			return failure(proxy.Refused, false, false)
		}}
		g := newGateway(t, m, instances(5), func(s *setup) { s.route.Timeout = time.Second }, silent)
		g.serve(get("/orders"))
		if m.tries != 2 || m.x.Response.Status != 502 {
			t.Errorf("%d after %d tries", m.x.Response.Status, m.tries)
		}
	})
}

func TestClientGone(t *testing.T) {
	m := &memory{script: fails(failure(proxy.ClientGone, true, false))}
	g := newGateway(t, m)
	g.serve(method("PUT", "/orders") + "hello")
	if m.tries != 1 || m.heads != 0 || m.aborts != 1 || len(m.done) != 0 {
		t.Errorf("%d tries, %d heads, %d aborts, done %v", m.tries, m.heads, m.aborts, m.done)
	}
	if l := g.logged(); l["status"] != 499.0 || l["bytes_in"] != 5.0 || !strings.Contains(l["error"].(string), "scripted failure") {
		t.Errorf("logged as %v", l)
	}
	for _, s := range g.set.Describe(time.Now()) {
		if s.Failures.Total() != 0 {
			t.Errorf("the instance is blamed: %+v", s.Failures)
		}
	}
}

// TestForeignErrors: an engine that does not say what happened is taken to have
// sent everything.
func TestForeignErrors(t *testing.T) {
	m := &memory{script: func(*memory, int, *proxy.Exchange, *upstream.Endpoint) error { return errScripted }}
	g := newGateway(t, m)
	g.serve(method("POST", "/orders") + "hello")
	if m.tries != 1 || m.x.Problem != proxy.InstanceBroke {
		t.Errorf("%d tries: %+v", m.tries, m.x.Problem)
	}
}

func TestBlame(t *testing.T) {
	for cause, want := range map[proxy.Cause]upstream.Causes{
		proxy.Refused: {Refused: 1}, proxy.Broke: {Broke: 1}, proxy.TimedOut: {TimedOut: 1}, proxy.ClientGone: {}, proxy.ClientBad: {}, proxy.ClientSlow: {},
	} {
		g := newGateway(t, &memory{script: fails(failure(cause, true, true))}, instances(1))
		g.serve(get("/orders"))
		if got := g.set.Describe(time.Now())[0].Failures; got != want {
			t.Errorf("%v: %+v", cause, got)
		}
	}
}

func TestForwardError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", failure(proxy.TimedOut, true, false))
	if !errors.Is(err, errScripted) || !strings.Contains(err.Error(), "timeout: scripted failure") {
		t.Errorf("%v", err)
	}
	for c := range proxy.Cause(8) {
		if c.String() == "" {
			t.Errorf("cause %d has no word", c)
		}
	}
	if proxy.Cause(0).String() != "unknown" {
		t.Error("the zero cause is known")
	}
}

// TestStripPrefix: whole segments, and never more than there is.
func TestStripPrefix(t *testing.T) {
	for _, c := range []struct{ prefix, path, want string }{
		{"", "/orders/1", "/orders/1"},
		{"/orders", "/orders", "/"},
		{"/orders", "/orders/", "/"},
		{"/orders", "/orders/1/", "/1/"},
		{"/orders/", "/orders/1", "/orders/1"},
		{"/ord", "/orders/1", "/orders/1"},
		{"/else", "/orders", "/orders"},
	} {
		g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.route.StripPrefix = c.prefix })
		g.serve(get(c.path))
		if got := strings.Fields(g.forwarded().start)[1]; got != c.want {
			t.Errorf("%q without %q is %q, want %q", c.path, c.prefix, got, c.want)
		}
	}
}

// TestHashKeepsClients: the hash balancer sends one client to one instance.
func TestHashKeepsClients(t *testing.T) {
	seen := map[string]bool{}
	for i := range 20 {
		g := newGateway(t, &memory{reply: []byte(reply)}, instances(8), func(s *setup) {
			s.spec.Balance, s.peer = "hash", fmt.Sprintf("192.0.2.%d:%d", i, 1000+i)
		}, silent)
		first := ""
		for range 5 {
			g.serve(get("/orders"))
			if first == "" {
				first = g.tried[0]
			}
			if g.tried[0] != first {
				t.Fatalf("client %d went to %s and %s", i, first, g.tried[0])
			}
		}
		seen[first] = true
	}
	if len(seen) < 3 {
		t.Errorf("20 clients went to %d of 8 instances", len(seen))
	}
}
