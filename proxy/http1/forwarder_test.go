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
)

// TestUnsolicitedBytesReachNobody has an instance that says more than it was
// asked for. It must not become the answer to the next request.
func TestUnsolicitedBytesReachNobody(t *testing.T) {
	t.Run("in clear", func(t *testing.T) { tUnsolicitedBytesReachNobody(t, ours) })
	t.Run("over TLS", func(t *testing.T) { tUnsolicitedBytesReachNobody(t, overTLS(ours)) })
}

func tUnsolicitedBytesReachNobody(t *testing.T, e engine) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for name, c := range map[string]struct {
		answer string
		later  string
	}{
		"with the answer": {answer: ok + evil},
		"afterwards":      {answer: ok, later: evil},
		"a timeout":       {answer: ok, later: "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
		"behind chunks":   {answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + evil},
		"behind 204":      {answer: "HTTP/1.1 204 No\r\n\r\n" + evil},
		"behind 304":      {answer: "HTTP/1.1 304 No\r\nContent-Length: 4\r\n\r\n" + evil},
		"an end":          {answer: ok, later: "close"},
	} {
		said, seen := make(chan struct{}, 16), make(chan struct{})
		addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(n int, c2 net.Conn, r *bufio.Reader) {
			for {
				if _, err := loopback.ReadHead(r); err != nil {
					return
				}
				answer := ok
				if n == 0 {
					answer = c.answer
				}
				_, _ = io.WriteString(c2, answer)
				if n > 0 || c.later == "" {
					said <- struct{}{}
					continue
				}
				<-seen
				if c.later == "close" {
					c2.Close()
				} else {
					_, _ = io.WriteString(c2, c.later)
				}
				said <- struct{}{}
			}
		})
		g := startGateway(t, e, nil, addr)
		conn := g.dial()
		conn.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		conn.response("GET")
		close(seen)
		loopback.Await(t, "the instance", said)
		for range 3 {
			conn.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			if resp, body := conn.response("POST"); resp.StatusCode != 200 || body != "ok" {
				t.Errorf("%s: the next request got %d %q", name, resp.StatusCode, body)
			}
		}
	}
}

func TestManyInterimResponsesAndLargeHeads(t *testing.T) {
	conformance(t, tManyInterimResponsesAndLargeHeads)
}

func tManyInterimResponsesAndLargeHeads(t *testing.T, e engine) {
	large := strings.Repeat("x", 60_000)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.Header().Set("X-Large", r.Header.Get("X-Large"))
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	}))
	c := g.dial()
	for _, body := range []string{"", "small", strings.Repeat("y", 40_000)} {
		c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\nContent-Length: %d\r\n\r\n%s", large, len(body), body))
		for range 3 {
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 103 ") {
				t.Fatalf("got %q", h)
			}
		}
		if resp, got := c.response("POST"); resp.StatusCode != 200 || got != body || resp.Header.Get("X-Large") != large {
			t.Errorf("%d, %d bytes", resp.StatusCode, len(got))
		}
	}
}

// TestestGoneClientFreesTheInstance has a client that goes away while the instance
// thinks, with another request pipelined, which hides it, and without.
func testGoneClientFreesTheInstance(t *testing.T, e engine) {
	arrived, canceled := make(chan struct{}), make(chan struct{})
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		canceled <- struct{}{}
	}))
	for _, reset := range []bool{false, true} {
		c := g.dial()
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		loopback.Await(t, "the request", arrived)
		if reset {
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
		loopback.Await(t, "the end of the instance's request", canceled)
	}
	g.WaitIdle()
}

// testLateDeadlinesDisturbNobody has bodies that take longer than their heads
// may, so that the deadline of a head strikes while one is awaited.
func testLateDeadlinesDisturbNobody(t *testing.T, e engine) {
	g := startGateway(t, e, func(r *proxy.Route, _ *options) {
		r.Timeout, r.IdleTimeout = shortTime, 0
	}, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/slow" {
			time.Sleep(longTime) // is the subject here
		}
		_, _ = io.WriteString(w, "done")
	}))
	c := g.dial()
	for _, path := range []string{"/", "/slow", "/", "/slow", "/"} {
		c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "done" {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
	}
}
