package proxy_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

const switching = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nX-App: 1\r\n\r\n"

// tunnelled is a gateway that is serving a tunnel, and the two far ends of it.
type tunnelled struct {
	*gateway
	client, instance net.Conn
	served           chan struct{}
}

func openTunnel(t *testing.T, options ...func(*setup)) *tunnelled {
	t.Helper()
	tu := newTunnel(t, options...)
	tu.open()
	return tu
}

// newTunnel is one that nobody has asked for yet.
func newTunnel(t *testing.T, options ...func(*setup)) *tunnelled {
	t.Helper()
	client, down := net.Pipe()
	instance, up := net.Pipe()
	m := &memory{traced: true, down: down, script: func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
		m.answer(x, []byte(switching))
		x.Response.Body, x.Response.Tunnel = nil, up
		return nil
	}}
	return &tunnelled{gateway: newGateway(t, m, options...), client: client, instance: instance, served: make(chan struct{})}
}

func (tu *tunnelled) open() {
	go func() {
		defer close(tu.served)
		tu.proxy.Serve(tu.request([]byte(get("/orders", "Connection: Upgrade", "Upgrade: websocket")), tu.conn))
	}()
}

// ended waits for the tunnel's end and checks what must be true after it.
func (tu *tunnelled) ended() {
	tu.t.Helper()
	<-tu.served
	tu.settled()
	if !slices.Equal(tu.done, []bool{false}) {
		tu.t.Errorf("Done was called %v", tu.done)
	}
	one := make([]byte, 1)
	if _, err := tu.client.Read(one); err == nil {
		tu.t.Error("the client's side is open")
	}
	if _, err := tu.instance.Read(one); err == nil {
		tu.t.Error("the instance's side is open")
	}
}

func say(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	go func() { _, _ = io.WriteString(from, text) }() // the other end reads it, or fails
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("%q arrived as %q: %v", text, got, err)
	}
}

func TestTunnelJoinsBothWays(t *testing.T) {
	for name, closes := range map[string]func(*tunnelled){
		"client":   func(tu *tunnelled) { tu.client.Close() },
		"instance": func(tu *tunnelled) { tu.instance.Close() },
		"drain":    func(tu *tunnelled) { tu.proxy.CloseTunnels() },
	} {
		t.Run(name, func(t *testing.T) {
			tu := openTunnel(t)
			say(t, tu.client, tu.instance, "hello")
			say(t, tu.instance, tu.client, "hi")
			say(t, tu.client, tu.instance, string(bytes.Repeat([]byte("x"), 100_000)))
			if n := tu.proxy.InFlight(); n != 1 || tu.inFlight() != 1 {
				t.Errorf("%d and %d in flight", n, tu.inFlight())
			}
			closes(tu)
			tu.ended()
			if m := tu.answered(); m.start != "HTTP/1.1 101" || m.get("X-App") != "1" || m.get("X-Request-Id") == "-" {
				t.Errorf("the head was %+v", m)
			}
			l := tu.logged()
			if l["status"] != 101.0 || l["bytes_in"] != 100_005.0 || l["bytes_out"] != 2.0 || l["error"] != "" {
				t.Errorf("logged as %v", l)
			}
		})
	}
}

// TestTunnelIdles: the route's idle timeout is the only bound on a tunnel.
func TestTunnelIdles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tu := openTunnel(t, silent, func(s *setup) { s.route.IdleTimeout, s.route.Timeout = time.Minute, time.Second })
		for range 10 {
			time.Sleep(50 * time.Second) // of the bubble's
			say(t, tu.client, tu.instance, "a")
			time.Sleep(50 * time.Second)
			say(t, tu.instance, tu.client, "b")
		}
		start := time.Now()
		tu.ended()
		if took := time.Since(start); took < time.Minute || took > 2*time.Minute {
			t.Errorf("idle for %v", took)
		}
	})
}

func TestTunnelWithoutIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tu := openTunnel(t, silent)
		time.Sleep(1000 * time.Hour) // of the bubble's
		say(t, tu.client, tu.instance, "still there")
		tu.client.Close()
		tu.ended()
	})
}

// closer tells whether it was closed.
type closer struct{ closed bool }

func (c *closer) Read([]byte) (int, error)    { return 0, io.EOF }
func (c *closer) Write(p []byte) (int, error) { return len(p), nil }
func (c *closer) Close() error                { c.closed = true; return nil }

// TestUnaskedSwitch: an instance that switches protocols on its own would get a
// raw connection to the client.
func TestUnaskedSwitch(t *testing.T) {
	asked := []string{"Connection: Upgrade", "Upgrade: websocket"}
	for _, c := range []struct {
		name   string
		lines  []string
		tunnel bool
		fail   string
		status int
		aborts int
	}{
		{name: "unasked", tunnel: true, status: 502},
		{name: "another protocol asked for", lines: []string{"Connection: Upgrade", "Upgrade: h2c"}, tunnel: true, status: 502},
		{name: "unasked, and no stream", status: 502},
		{name: "no stream", lines: asked, status: 502},
		{name: "client gone before the head", lines: asked, tunnel: true, fail: "head", status: 101, aborts: 1},
		{name: "client gone after the head", lines: asked, tunnel: true, status: 101, aborts: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			up := &closer{}
			m := &memory{fail: c.fail, script: func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
				m.answer(x, []byte(switching))
				if x.Response.Body = nil; c.tunnel {
					x.Response.Tunnel = up
				}
				return nil
			}}
			g := newGateway(t, m)
			g.serve(get("/orders", c.lines...))
			if g.x.Response.Status != c.status || g.aborts != c.aborts || up.closed != c.tunnel || !slices.Equal(g.done, []bool{false}) {
				t.Errorf("%d, %d aborts, closed %v, done %v", g.x.Response.Status, g.aborts, up.closed, g.done)
			}
			if c.status == 502 && (g.x.Problem != proxy.InstanceBroke || g.answered().get("X-App") != "-") {
				t.Errorf("%+v: %s", g.x.Problem, g.wire)
			}
		})
	}
}

// TestTunnelAfterTheEnd opens one when a drain has ended all others.
func TestTunnelAfterTheEnd(t *testing.T) {
	tu := newTunnel(t)
	tu.proxy.CloseTunnels()
	tu.open()
	tu.ended()
	if l := tu.logged(); l["status"] != 101.0 || l["bytes_out"] != 0.0 {
		t.Errorf("logged as %v", l)
	}
}

func TestTunnelsAreNotTimed(t *testing.T) {
	tu := openTunnel(t)
	say(t, tu.client, tu.instance, "x")
	route := tu.proxy.Table().Routes[0].Metrics
	tu.client.Close()
	tu.ended()
	if _, n, _ := route.Durations(); n != 0 {
		t.Errorf("%d tunnels in the histogram", n)
	}
	if all, failed := route.Requests(); all != 1 || failed != 0 {
		t.Errorf("%d requests, %d failed", all, failed)
	}
}
