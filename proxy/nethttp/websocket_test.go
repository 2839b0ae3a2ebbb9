package nethttp_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

const settingEnableConnect = 0x8 // RFC 8441 section 3

// openWebSocket is the head of an extended CONNECT.
func openWebSocket(more ...string) []string {
	return append([]string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "x", ":path", "/chat?room=1",
		"sec-websocket-version", "13", "sec-websocket-protocol", "chat", "origin", "http://x",
	}, more...)
}

// accepted answers a handshake that it has read.
func accepted(head string) string {
	key := ""
	for line := range strings.SplitSeq(head, "\r\n") {
		if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Sec-WebSocket-Key") {
			key = value
		}
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chat\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
}

// sockets is an instance that agrees to WebSockets and then runs script.
func sockets(t *testing.T, heads chan<- string, script func(c net.Conn, r *bufio.Reader)) string {
	return loopback.Raw(t, loopback.Listen(t), func(_ int, c net.Conn, r *bufio.Reader) {
		head, err := loopback.ReadHead(r)
		if err != nil {
			return
		}
		heads <- head
		if _, err := io.WriteString(c, accepted(head)); err == nil {
			script(c, r)
		}
	})
}

// echo sends back what it gets, to the end.
func echo(c net.Conn, r *bufio.Reader) { _, _ = io.Copy(c, r) }

// startSocket opens a WebSocket on stream 1, and fails unless it is agreed to.
func startSocket(t *testing.T, g *gateway) *attacker {
	t.Helper()
	a := dialAttacker(t, g)
	if err := a.fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	a.listen()
	if e := a.until("the offer", func(e event) bool { return e.kind == http2.FrameSettings }); !e.offers {
		t.Fatal("extended CONNECT is not on offer")
	}
	if err := a.headers(1, false, openWebSocket()...); err != nil {
		t.Fatal(err)
	}
	if e := a.until("the answer", func(e event) bool { return e.stream == 1 }); e.kind != http2.FrameHeaders || e.status != "200" || e.ends {
		t.Fatalf("got %+v", e)
	}
	return a
}

// says sends text and wants it back.
func (a *attacker) says(text string) {
	a.t.Helper()
	if err := a.fr.WriteData(1, false, []byte(text)); err != nil {
		a.t.Fatal(err)
	}
	got := ""
	a.until("the echo", func(e event) bool {
		if e.stream == 1 && e.kind != http2.FrameData && e.kind != http2.FrameWindowUpdate {
			a.t.Fatalf("got %+v", e)
		}
		got += e.data
		return len(got) >= len(text)
	})
	if got != text {
		a.t.Fatalf("sent %q, got %q", text, got)
	}
}

// ends waits for the stream's end, by END_STREAM or a reset.
func (a *attacker) ends() event {
	return a.until("the stream's end", func(e event) bool {
		return e.stream == 1 && (e.ends || e.kind == http2.FrameRSTStream)
	})
}

// What goes to the instance is a handshake of HTTP/1.1 with a key of ours.
func TestWebSocketOverHTTP2(t *testing.T) {
	heads := make(chan string, 1)
	g := bounded(t, false, sockets(t, heads, echo))
	a := startSocket(t, g)
	head := loopback.Await(t, "the head", heads)
	if !strings.HasPrefix(head, "GET /chat?room=1 HTTP/1.1\r\n") {
		t.Errorf("the instance got %q", head)
	}
	for _, line := range []string{"connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-protocol: chat", "origin: http://x", "host: x"} {
		if !strings.Contains(strings.ToLower(head), "\r\n"+line+"\r\n") {
			t.Errorf("the instance got no %q in %q", line, head)
		}
	}
	if strings.Contains(head, "protocol: websocket") || strings.Contains(strings.ToLower(head), "content-length") {
		t.Errorf("the instance got %q", head)
	}
	if n := g.Proxy.InFlight(); n != 1 {
		t.Errorf("%d in flight", n)
	}
	a.says("hello")
	a.says(strings.Repeat("long ", 1000))

	// The client's end is the instance's, and back.
	if err := a.fr.WriteData(1, true, nil); err != nil {
		t.Fatal(err)
	}
	if e := a.ends(); e.kind != http2.FrameData {
		t.Errorf("ended by %+v", e)
	}
	g.WaitIdle()
}

// An end of either side is the other's, and nothing stays in flight.
func TestWebSocketEnds(t *testing.T) {
	for name, c := range map[string]struct {
		script func(c net.Conn, r *bufio.Reader)
		change func(*proxy.Route)
		end    func(*gateway, *attacker) error
	}{
		"the instance": {script: func(c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, "bye") }},
		"the client":   {end: func(_ *gateway, a *attacker) error { return a.fr.WriteRSTStream(1, http2.ErrCodeCancel) }},
		"idleness":     {change: func(r *proxy.Route) { r.IdleTimeout = 50 * time.Millisecond }},
		"the drain":    {end: func(g *gateway, _ *attacker) error { g.Proxy.CloseTunnels(); return nil }},
		"the connection": {end: func(_ *gateway, a *attacker) error {
			return a.conn.Close()
		}},
		"the drain, with a client that takes nothing": {
			script: func(c net.Conn, _ *bufio.Reader) {
				for piece := make([]byte, 64<<10); ; {
					if _, err := c.Write(piece); err != nil {
						return
					}
				}
			},
			end: func(g *gateway, a *attacker) error {
				got := 0
				a.until("what the window takes", func(e event) bool { got += len(e.data); return got == 65535 })
				g.Proxy.CloseTunnels()
				return nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.script == nil {
				c.script = echo
			}
			ended := make(chan struct{})
			g := startGateway(t, func(r *proxy.Route, _ *nethttp.Options, _ *nethttp.ForwarderOptions) {
				if c.change != nil {
					c.change(r)
				}
			}, sockets(t, make(chan string, 1), func(conn net.Conn, r *bufio.Reader) {
				defer close(ended)
				c.script(conn, r)
				_ = conn.Close()
			}))
			a := startSocket(t, g)
			if c.end != nil {
				if err := c.end(g, a); err != nil {
					t.Fatal(err)
				}
			}
			if name != "the client" && name != "the connection" {
				a.ends()
			}
			loopback.Await(t, "the instance's end", ended)
			g.WaitIdle()
		})
	}
}

// Whatever is no agreement is no WebSocket.
func TestWebSocketRefused(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		fields       []string
		want         string
	}{
		{"the instance says no", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", openWebSocket(), "403"},
		{"the instance says something else", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", openWebSocket(), "502"},
		{"the instance does not know the key", strings.Replace(accepted("sec-websocket-key: x"), "chat", "x", 1), openWebSocket(), "502"},
		{"another protocol", "", []string{":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "http", ":authority", "x", ":path", "/"}, "501"},
		{"no protocol", "", []string{":method", "CONNECT", ":authority", "x"}, "501"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := bounded(t, false, loopback.Raw(t, loopback.Listen(t), func(_ int, conn net.Conn, r *bufio.Reader) {
				for {
					if _, err := loopback.ReadHead(r); err != nil {
						return
					}
					if _, err := io.WriteString(conn, c.answer); err != nil {
						return
					}
				}
			}))
			a := attack(t, g)
			a.listen()
			if err := a.headers(1, false, c.fields...); err != nil {
				t.Fatal(err)
			}
			if e := a.until("the answer", func(e event) bool { return e.stream == 1 }); e.status != c.want {
				t.Errorf("got %+v, want %s", e, c.want)
			}
			a.ends()
			g.WaitIdle()
		})
	}
}
