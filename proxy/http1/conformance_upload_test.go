package http1_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
	"github.com/lictor/lictor/proxy/upstream"
)

func short(r *proxy.Route, _ *options) { r.Timeout = shortTime }

// framing is how an upload of 8 bytes is sent.
type framing struct {
	fields string
	piece  func(string) string
	end    string
}

var framings = map[string]framing{
	"with a length": {"Content-Length: 8\r\n", func(s string) string { return s }, ""},
	"in chunks": {"Transfer-Encoding: chunked\r\n", func(s string) string {
		return fmt.Sprintf("%x\r\n%s\r\n", len(s), s)
	}, "0\r\n\r\n"},
}

// begin sends the head of an upload.
func (f framing) begin(g *gateway, method string) *rawClient {
	c := g.dial()
	c.send(method + " / HTTP/1.1\r\nHost: x\r\n" + f.fields + "\r\n")
	return c
}

// trickle sends the body of each client's upload, so that more than the short time
// passes while it flows.
func (f framing) trickle(clients ...*rawClient) {
	for i, b := range []byte("uploaded") {
		if i > 0 {
			<-time.After(pause)
		}
		for _, c := range clients {
			c.send(f.piece(string(b)))
		}
	}
	for _, c := range clients {
		c.send(f.end)
	}
}

func testUploadLongerThanTheTimeout(t *testing.T, e engine) {
	atOnce(t, framings, func(t *testing.T, f framing) {
		g := startGateway(t, e, short, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
		c := f.begin(g, "POST")
		f.trickle(c)
		if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "uploaded" {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	})
}

// testTimeoutBeginsAfterTheUpload has an instance that takes it and is silent.
func testTimeoutBeginsAfterTheUpload(t *testing.T, e engine) {
	stuck := make(chan struct{})
	defer close(stuck)
	addr := loopback.Instance(t, sniffing{loopback.Listen(t)}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-stuck
	})
	atOnce(t, framings, func(t *testing.T, f framing) {
		g := startGateway(t, e, short, addr)
		c := f.begin(g, "POST")
		f.trickle(c)
		if resp, body := c.response("POST"); resp.StatusCode != 504 || !strings.Contains(body, "instance-timeout") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	})
}

// testSlowUploadIsTriedElsewhere has an instance that breaks once it has all of
// an upload that may be sent again.
func testSlowUploadIsTriedElsewhere(t *testing.T, e engine) {
	atOnce(t, framings, func(t *testing.T, f framing) {
		addr, lines := startBreaker(t, false)
		g := startGateway(t, e, short, addr, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
		clients := []*rawClient{f.begin(g, "PUT"), f.begin(g, "PUT")} // round robin: one goes to the breaker first
		f.trickle(clients...)
		for _, c := range clients {
			if resp, body := c.response("PUT"); resp.StatusCode != 200 || body != "uploaded" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		}
		if counts(lines)["PUT /"] == 0 {
			t.Error("the breaker was not asked")
		}
	})
}

// testEarlyAnswerToASlowUpload has an instance that thinks for longer than the
// timeout, and answers before it has all.
func testEarlyAnswerToASlowUpload(t *testing.T, e engine) {
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err != nil {
			return
		}
		<-time.After(longTime)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch")
		_, _ = io.Copy(io.Discard, r)
	})
	atOnce(t, framings, func(t *testing.T, f framing) {
		c := f.begin(startGateway(t, e, short, addr), "POST")
		c.send(f.piece("up"))
		if resp, body := c.response("POST"); resp.StatusCode != 413 || body != "much" {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	})
}

// testAnswerBesideALongUpload has an instance that sends its head at once, and its
// body when it has all of the upload, which takes longer than it may be silent.
func testAnswerBesideALongUpload(t *testing.T, e engine) {
	addr := loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		_ = rc.Flush()
		_, _ = io.Copy(w, r.Body)
	})
	atOnce(t, framings, func(t *testing.T, f framing) {
		c := f.begin(startGateway(t, e, func(r *proxy.Route, _ *options) { r.IdleTimeout = shortTime }, addr), "POST")
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") {
			t.Fatalf("%q", h)
		}
		f.trickle(c)
		if b, err := io.ReadAll(c.r); err != nil || !strings.HasSuffix(string(b), "d\r\n0\r\n\r\n") {
			t.Errorf("%q, %v", b, err)
		}
	})
}

// testClientThatStopsSending is to blame itself, whichever of the route's bounds
// is the shorter one.
func testClientThatStopsSending(t *testing.T, e engine) {
	type bounds struct{ timeout, idle time.Duration }
	atOnce(t, map[string]bounds{
		"a short timeout": {shortTime, 2 * shortTime}, "a long timeout": {loopback.Patience, shortTime}, "no timeout": {0, shortTime},
	}, func(t *testing.T, b bounds) {
		atOnce(t, framings, func(t *testing.T, f framing) {
			failed := make(chan error, 1)
			g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.Timeout, r.IdleTimeout = b.timeout, b.idle }, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				failed <- err
				panic(http.ErrAbortHandler) // else there would be an early answer
			}))
			c := f.begin(g, "PUT")
			c.send(f.piece("up"))
			resp, body := c.response("PUT")
			if resp.StatusCode != 408 || !strings.Contains(body, "urn:lictor:problem:request-timeout") || !resp.Close {
				t.Errorf("%d %s, close %v", resp.StatusCode, body, resp.Close)
			}
			if err := loopback.Await(t, "the end of the instance's request", failed); err == nil {
				t.Error("the instance took a part of the body for all of it")
			}
			g.blames(upstream.Causes{})
		})
	})
}

// testInstanceThatStopsReading takes the head and nothing more.
func testInstanceThatStopsReading(t *testing.T, e engine) {
	stuck := make(chan struct{})
	defer close(stuck)
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, _ net.Conn, r *bufio.Reader) {
		_, _ = loopback.ReadHead(r)
		<-stuck
	})
	atOnce(t, map[string]int64{"with a length": 1 << 40, "in chunks": -1}, func(t *testing.T, length int64) {
		g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.IdleTimeout = shortTime }, addr)
		if resp, body := g.push(1<<40, length); resp.StatusCode != 504 || !strings.Contains(body, "instance-timeout") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		g.blames(upstream.Causes{TimedOut: 1})
	})
}

// blames fails unless those are the failures of the only service's instances.
func (g *gateway) blames(want upstream.Causes) {
	g.t.Helper()
	g.WaitIdle()
	if got := g.Set.Describe(time.Now())[0].Failures; got != want {
		g.t.Errorf("the instances are blamed for %+v, want %+v", got, want)
	}
}
