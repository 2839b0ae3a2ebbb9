package http1_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

const (
	upgrade = "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Key: a2V5\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: YWNj\r\nX-Extra: 1\r\n\r\n"
)

// startSocket accepts upgrades, says hello in the same packet and sends every
// line back in upper case.
func startSocket(t *testing.T) (addr string, heads chan string) {
	heads = make(chan string, 16)
	return loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		h, err := loopback.ReadHead(r)
		if err != nil {
			return
		}
		heads <- h
		_, _ = io.WriteString(c, switching+"hello\n")
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, strings.ToUpper(line))
		}
	}), heads
}

func TestTunnel(t *testing.T) { conformance(t, testTunnel) }

func testTunnel(t *testing.T, e engine) {
	addr, heads := startSocket(t)
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	c.send(upgrade + "first\n") // a part of the stream comes with the request
	head := c.head()
	for _, want := range []string{
		"HTTP/1.1 101 Switching Protocols\r\n", "Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "Sec-WebSocket-Accept: YWNj\r\n", "X-Extra: 1\r\n", "X-Request-Id: ",
	} {
		if strings.Count(strings.ToLower(head), strings.ToLower(want)) != 1 {
			t.Errorf("want one %q in\n%s", want, head)
		}
	}
	head = loopback.Await(t, "the instance's request", heads)
	for _, want := range []string{"Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "Sec-WebSocket-Key: a2V5\r\n", "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Protocol: chat\r\n"} {
		if strings.Count(strings.ToLower(head), strings.ToLower(want)) != 1 {
			t.Errorf("want one %q in\n%s", want, head)
		}
	}
	expect := func(want string) {
		t.Helper()
		if line, err := c.r.ReadString('\n'); err != nil || line != want {
			t.Fatalf("got %q, %v, want %q", line, err, want)
		}
	}
	expect("hello\n")
	expect("FIRST\n")
	big := strings.Repeat("x", 200_000) + "\n"
	go c.send(big)
	expect(strings.ToUpper(big))
	if n := g.Proxy.InFlight(); n != 1 {
		t.Errorf("%d in flight while the tunnel is open", n)
	}
	if n := g.Listener.Open.Load(); n != 1 {
		t.Errorf("%d connections open", n)
	}
	c.Close()
	g.WaitIdle()
	loopback.Eventually(t, "the connection counts no more", func() bool { return g.Listener.Open.Load() == 0 })
}

func TestTunnelEndsWithTheInstance(t *testing.T) { conformance(t, testTunnelEndsWithTheInstance) }

func testTunnelEndsWithTheInstance(t *testing.T, e engine) {
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err == nil {
			_, _ = io.WriteString(c, switching+"bye")
		}
	})
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	c.send(upgrade)
	c.head()
	if b, err := io.ReadAll(c.r); err != nil || string(b) != "bye" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestTunnelsOutliveShutdownAndEndWithTheProxy(t *testing.T) {
	conformance(t, testTunnelsOutliveShutdownAndEndWithTheProxy)
}

func testTunnelsOutliveShutdownAndEndWithTheProxy(t *testing.T, e engine) {
	addr, _ := startSocket(t)
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	c.send(upgrade)
	c.head()
	if err := g.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.send("still there\n")
	for _, want := range []string{"hello\n", "STILL THERE\n"} {
		if line, err := c.r.ReadString('\n'); err != nil || line != want {
			t.Fatalf("got %q, %v, want %q", line, err, want)
		}
	}
	g.Proxy.CloseTunnels()
	if _, err := c.r.ReadByte(); err == nil {
		t.Error("the tunnel is still open")
	}
}

func testIdleTunnelEnds(t *testing.T, e engine) {
	addr, _ := startSocket(t)
	g := startGateway(t, e, func(r *proxy.Route, _ *options) {
		r.IdleTimeout = shortTime
	}, addr)
	c := g.dial()
	c.send(upgrade)
	c.head()
	if b, err := io.ReadAll(c.r); err != nil || string(b) != "hello\n" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestUpgradeRefusedByTheInstance(t *testing.T) { conformance(t, testUpgradeRefusedByTheInstance) }

func testUpgradeRefusedByTheInstance(t *testing.T, e engine) {
	addr, _ := startRecorder(t, "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno")
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	for range 2 {
		c.send(upgrade)
		if resp, body := c.response("GET"); resp.StatusCode != 426 || body != "no" {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
	}
}

func TestOtherUpgradesAreNotPassedOn(t *testing.T) { conformance(t, testOtherUpgradesAreNotPassedOn) }

func testOtherUpgradesAreNotPassedOn(t *testing.T, e engine) {
	addr, heads := startRecorder(t, ok)
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	for _, fields := range []string{
		"Connection: Upgrade\r\nUpgrade: foo\r\n", "Upgrade: websocket\r\n", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n",
	} {
		c.send("GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n")
		c.response("GET")
		if head := loopback.Await(t, "the instance's request", heads); strings.Contains(head, "pgrade") || strings.Contains(head, "Settings") {
			t.Errorf("%q became\n%s", fields, head)
		}
	}
	c.send("POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n")
	c.response("POST")
	if head := loopback.Await(t, "the instance's request", heads); strings.Contains(head, "pgrade") {
		t.Errorf("a POST was upgraded:\n%s", head)
	}
}

// A client that has said everything still gets the answer, and the other way
// round: the end of one way of a tunnel is passed on, and no more.
func TestHalfOpenTunnel(t *testing.T) { conformance(t, testHalfOpenTunnel) }

func testHalfOpenTunnel(t *testing.T, e engine) {
	heard := make(chan string, 1)
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(n int, c net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, switching)
		if n == 1 { // ends first
			_ = c.(interface{ CloseWrite() error }).CloseWrite() // else the client waits
		}
		b, _ := io.ReadAll(r) // an error shows in what there is
		heard <- string(b)
		if n == 0 {
			_, _ = io.WriteString(c, strings.Repeat("answer", 50_000)) // the client counts
		}
	})
	g := startGateway(t, e, nil, addr)
	for n := range 2 {
		c := g.dial()
		c.send(upgrade)
		c.head()
		if n == 1 {
			if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
				t.Errorf("%q, %v", b, err)
			}
		}
		c.send("question")
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := loopback.Await(t, "the question", heard); got != "question" {
			t.Errorf("the instance got %q", got)
		}
		b, err := io.ReadAll(c.r)
		if want := [2]int{300_000, 0}[n]; err != nil || len(b) != want {
			t.Errorf("the client got %d bytes, %v, want %d", len(b), err, want)
		}
	}
	g.WaitIdle()
	loopback.Eventually(t, "no connection counts", func() bool { return g.Listener.Open.Load() == 0 })
}
