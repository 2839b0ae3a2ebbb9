package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// held is an instance whose requests wait until they are released.
type held struct {
	began   chan struct{}
	release chan struct{}
}

func hold(t *testing.T) (*held, string) {
	t.Helper()
	h := &held{make(chan struct{}, 10), make(chan struct{})}
	at := instance(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echo(t, w)
			return
		}
		h.began <- struct{}{}
		select {
		case <-h.release:
			io.WriteString(w, "late")
		case <-r.Context().Done():
		}
	})
	return h, service("s", at) + route("s", "/", "s")
}

// echo takes an upgrade and sends back each line.
func echo(t *testing.T, w http.ResponseWriter) {
	c, b, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	for {
		line, err := b.ReadString('\n')
		if err != nil {
			return
		}
		io.WriteString(c, line)
	}
}

// tunnel opens a connection that has been upgraded.
func (g *gateway) tunnel() (net.Conn, *bufio.Reader) {
	g.t.Helper()
	c, err := net.Dial("tcp", g.address().String())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		g.t.Fatal(err)
	}
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		g.t.Fatalf("no tunnel: %v %v", resp, err)
	}
	return c, r
}

// later asks in the background.
func (g *gateway) later(path string) <-chan string {
	out := make(chan string, 1)
	go func() {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+g.address().String()+path, http.NoBody)
		if err != nil {
			out <- err.Error()
			return
		}
		resp, err := fresh.RoundTrip(r)
		if err != nil {
			out <- "error: " + err.Error()
			return
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		out <- fmt.Sprintf("%d %s %v", resp.StatusCode, b, err)
	}()
	return out
}

func (g *gateway) refuses() bool {
	c, err := net.Dial("tcp", g.address().String())
	if err != nil {
		return true
	}
	c.Close()
	return false
}

// The order of a drain: readiness fails, then the listener closes, then what is
// in flight ends, then tunnels, then the program.
func TestDrain(t *testing.T) {
	t.Parallel()
	h, text := hold(t)
	g := start(t, text+"drain {\n  delay = \"50ms\"\n  timeout = \"1m\"\n}\n").awaitReady()
	answer := g.later("/")
	<-h.began
	c, r := g.tunnel()
	g.stop()
	eventually(t, "the listener closes", func() bool {
		closed := g.refuses()
		if closed && g.reasons() != "draining" {
			t.Errorf("the listener is closed before readiness fails: %q", g.reasons())
		}
		return closed
	})
	if a := g.api("GET", "/v1/ready"); a.status != 503 || !strings.Contains(a.body, `"draining"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	close(h.release)
	if a := <-answer; a != "200 late <nil>" {
		t.Errorf("what was in flight ended with %s", a)
	}
	fmt.Fprintln(c, "still there")
	if line, err := r.ReadString('\n'); line != "still there\n" {
		t.Errorf("the tunnel says %q %v", line, err)
	}
	select {
	case <-g.ended:
		t.Error("Run has returned before the tunnel ended")
	default:
	}
	if a := g.api("GET", "/v1/health"); a.status != 200 {
		t.Errorf("the admin API is gone while the gateway drains: %d", a.status)
	}
	c.Close()
	g.await()
	if g.err != nil || !strings.Contains(g.log.String(), "gateway stopped: cut_off=0") {
		t.Errorf("Run returned %v", g.err)
	}
}

// What does not end in time is cut off.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	h, text := hold(t)
	g := start(t, text+"drain {\n  timeout = \"50ms\"\n}\n").awaitReady()
	answer := g.later("/")
	<-h.began
	_, r := g.tunnel()
	g.stop()
	g.await()
	if a := <-answer; !strings.HasPrefix(a, "error: ") {
		t.Errorf("what was in flight ended with %s", a)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the tunnel is still open")
	}
	if g.err != nil || g.proxy.InFlight() != 0 {
		t.Errorf("Run returned %v with %d in flight", g.err, g.proxy.InFlight())
	}
}

// Whoever is in a hurry waits neither for the delay nor for what is in flight.
// The bounds of the drain are an hour each, so it is the hurry that ends it.
func TestDrainHurried(t *testing.T) {
	t.Parallel()
	for _, within := range []string{"delay = \"1h\"", "timeout = \"1h\""} {
		t.Run(within, func(t *testing.T) {
			t.Parallel()
			h, text := hold(t)
			g := start(t, text+"drain {\n  "+within+"\n}\n").awaitReady()
			answer := g.later("/")
			<-h.began
			_, r := g.tunnel()
			g.stop()
			eventually(t, "it drains", func() bool { return g.log.count("draining: ") > 0 })
			if strings.HasPrefix(within, "delay") && (g.reasons() != "draining" || g.refuses()) {
				t.Errorf("within the delay: not ready for %q, refuses connections: %v", g.reasons(), g.refuses())
			}
			g.hurry()
			g.await()
			if a := <-answer; !strings.HasPrefix(a, "error: ") {
				t.Errorf("what was in flight ended with %s", a)
			}
			if _, err := r.ReadByte(); err == nil {
				t.Error("the tunnel is still open")
			}
		})
	}
}
