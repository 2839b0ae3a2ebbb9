package http1_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// These tests have routes whose timeout is short, though not too short for what
// must happen within it on a busy machine, and uploads that are longer.
const (
	shortTimeout = 400 * time.Millisecond
	pause        = shortTimeout / 2
)

func short(r *proxy.Route, _ *options) { r.Timeout = shortTimeout }

// framings are the heads of an upload of 8 bytes, and how a piece of 2 is sent.
var framings = map[string]struct {
	fields string
	piece  func(string) string
	end    string
}{
	"with a length": {"Content-Length: 8\r\n", func(s string) string { return s }, ""},
	"in chunks":     {"Transfer-Encoding: chunked\r\n", func(s string) string { return "2\r\n" + s + "\r\n" }, "0\r\n\r\n"},
}

// startSlow sends an upload to the gateway, so that more than the route's timeout
// passes while it flows.
func startSlow(g *gateway, method, framing string) *rawClient {
	f := framings[framing]
	c := g.dial()
	c.send(method + " / HTTP/1.1\r\nHost: x\r\n" + f.fields + "\r\n")
	for _, p := range []string{"up", "lo", "ad"} {
		c.send(f.piece(p))
		<-time.After(pause)
	}
	c.send(f.piece("ed") + f.end)
	return c
}

func TestUploadLongerThanTheTimeout(t *testing.T) {
	t.Parallel() // it mostly waits
	conformance(t, testUploadLongerThanTheTimeout)
}

func testUploadLongerThanTheTimeout(t *testing.T, e engine) {
	g := startGateway(t, e, short, startInstance(t, echo))
	for framing := range framings {
		c := startSlow(g, "POST", framing)
		if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "uploaded" {
			t.Errorf("%s: %d %s", framing, resp.StatusCode, body)
		}
	}
}

// TestTimeoutBeginsAfterTheUpload has an instance that takes it and is silent.
func TestTimeoutBeginsAfterTheUpload(t *testing.T) {
	t.Parallel() // it mostly waits
	conformance(t, testTimeoutBeginsAfterTheUpload)
}

func testTimeoutBeginsAfterTheUpload(t *testing.T, e engine) {
	stuck := make(chan struct{})
	defer close(stuck)
	g := startGateway(t, e, short, startInstance(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-stuck
	}))
	for framing := range framings {
		c := startSlow(g, "POST", framing)
		if resp, body := c.response("POST"); resp.StatusCode != 504 || !strings.Contains(body, "instance-timeout") {
			t.Errorf("%s: %d %s", framing, resp.StatusCode, body)
		}
	}
}

// TestSlowUploadIsTriedElsewhere has an instance that breaks once it has all of
// an upload that may be sent again.
func TestSlowUploadIsTriedElsewhere(t *testing.T) {
	t.Parallel() // it mostly waits
	conformance(t, testSlowUploadIsTriedElsewhere)
}

func testSlowUploadIsTriedElsewhere(t *testing.T, e engine) {
	addr, lines := startBreaker(t, false)
	g := startGateway(t, e, short, addr, startInstance(t, echo))
	for framing := range framings { // round robin: one of the two goes to the breaker first
		c := startSlow(g, "PUT", framing)
		if resp, body := c.response("PUT"); resp.StatusCode != 200 || body != "uploaded" {
			t.Errorf("%s: %d %s", framing, resp.StatusCode, body)
		}
	}
	if count(lines, "PUT /") == 0 {
		t.Error("the breaker was not asked")
	}
}

// TestEarlyAnswerToASlowUpload has an instance that thinks for longer than the
// timeout, and answers before it has all.
func TestEarlyAnswerToASlowUpload(t *testing.T) {
	t.Parallel() // it mostly waits
	conformance(t, testEarlyAnswerToASlowUpload)
}

func testEarlyAnswerToASlowUpload(t *testing.T, e engine) {
	addr := startRaw(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err != nil {
			return
		}
		<-time.After(2 * shortTimeout)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch")
		_, _ = io.Copy(io.Discard, r)
	})
	g := startGateway(t, e, short, addr)
	for framing, f := range framings {
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\n" + f.fields + "\r\n" + f.piece("up"))
		if resp, body := c.response("POST"); resp.StatusCode != 413 || body != "much" {
			t.Errorf("%s: %d %s", framing, resp.StatusCode, body)
		}
	}
}

// TestAnswerBesideALongUpload has an instance that sends its head at once, and its
// body when it has all of the upload, which takes longer than it may be silent.
func TestAnswerBesideALongUpload(t *testing.T) {
	t.Parallel() // it mostly waits
	conformance(t, testAnswerBesideALongUpload)
}

func testAnswerBesideALongUpload(t *testing.T, e engine) {
	g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.IdleTimeout = shortTimeout }, startInstance(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		_ = rc.Flush()
		_, _ = io.Copy(w, r.Body)
	}))
	for framing, f := range framings {
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\n" + f.fields + "\r\n")
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") {
			t.Fatalf("%s: %q", framing, h)
		}
		for _, p := range []string{"up", "lo", "ad"} {
			c.send(f.piece(p))
			<-time.After(pause)
		}
		c.send(f.piece("ed") + f.end)
		if b, err := io.ReadAll(c.r); err != nil || !strings.HasSuffix(string(b), "0\r\n\r\n") || !strings.Contains(string(b), "ed\r\n") {
			t.Errorf("%s: %q, %v", framing, b, err)
		}
	}
}

// TestClientThatStopsSending is to blame itself, whichever of the route's bounds
// is the shorter one.
func TestClientThatStopsSending(t *testing.T) {
	t.Parallel() // it mostly waits
	conformance(t, testClientThatStopsSending)
}

func testClientThatStopsSending(t *testing.T, e engine) {
	for name, c := range map[string]struct {
		framing string
		set     setup
	}{
		"a short timeout":            {"in chunks", func(r *proxy.Route, _ *options) { r.Timeout, r.IdleTimeout = shortTimeout, 2*shortTimeout }},
		"a short timeout and length": {"with a length", func(r *proxy.Route, _ *options) { r.Timeout, r.IdleTimeout = shortTimeout, 2*shortTimeout }},
		"a long timeout":             {"in chunks", func(r *proxy.Route, _ *options) { r.IdleTimeout = shortTimeout }},
		"no timeout":                 {"with a length", func(r *proxy.Route, _ *options) { r.Timeout, r.IdleTimeout = 0, shortTimeout }},
	} {
		failed := make(chan error, 1)
		g := startGateway(t, e, c.set, startInstance(t, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			failed <- err
			panic(http.ErrAbortHandler) // else there would be an early answer
		}))
		f, conn := framings[c.framing], g.dial()
		conn.send("PUT / HTTP/1.1\r\nHost: x\r\n" + f.fields + "\r\n" + f.piece("up"))
		resp, body := conn.response("PUT")
		if resp.StatusCode != 408 || !strings.Contains(body, "urn:lictor:problem:request-timeout") || !resp.Close {
			t.Errorf("%s: %d %s, close %v", name, resp.StatusCode, body, resp.Close)
		}
		if err := await(t, "the end of the instance's request", failed); err == nil {
			t.Errorf("%s: the instance took a part of the body for all of it", name)
		}
		g.blames(upstream.Causes{})
	}
}

// TestInstanceThatStopsReading takes the head and nothing more.
func TestInstanceThatStopsReading(t *testing.T) {
	t.Parallel() // it mostly waits
	conformance(t, testInstanceThatStopsReading)
}

func testInstanceThatStopsReading(t *testing.T, e engine) {
	stuck := make(chan struct{})
	defer close(stuck)
	g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.IdleTimeout = 2 * shortTimeout }, startRaw(t, func(_ int, _ net.Conn, r *bufio.Reader) {
		_, _ = readHead(r)
		<-stuck
	}))
	for _, length := range []int64{1 << 40, -1} {
		r := newRequest(t, "POST", g.url+"/", io.LimitReader(zeros{}, 1<<40))
		r.ContentLength = length
		if resp, body := do(t, newClient(t), r); resp.StatusCode != 504 || !strings.Contains(body, "instance-timeout") {
			t.Errorf("length %d: %d %s", length, resp.StatusCode, body)
		}
	}
	g.blames(upstream.Causes{TimedOut: 2})
}

// blames fails unless those are the failures of the only service's instances.
func (g *gateway) blames(want upstream.Causes) {
	g.t.Helper()
	g.waitIdle()
	if got := g.set.Describe(time.Now())[0].Failures; got != want {
		g.t.Errorf("the instances are blamed for %+v, want %+v", got, want)
	}
}
