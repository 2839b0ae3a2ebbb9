package http1_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// numbered returns bytes of which each few tell where they belong.
func numbered(size int) []byte {
	b := make([]byte, 0, size+8)
	for n := 0; len(b) < size; n += 7 {
		b = strconv.AppendInt(b, int64(n), 36)
	}
	return b[:size]
}

// Bodies that are large enough to be moved in other ways than small ones arrive
// whole, are counted, and leave both connections fit for the next.
func TestLargeBodies(t *testing.T) { conformance(t, testLargeBodies) }

func testLargeBodies(t *testing.T, e engine) {
	sizes := []int{64 << 10, 64<<10 + 40<<10, 300_000, 2<<20 + 1}
	whole := numbered(sizes[len(sizes)-1])
	addresses := make(chan string, 1000)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		addresses <- r.RemoteAddr
		size, _ := strconv.Atoi(r.URL.Path[1:]) // a bad one shows as an empty body
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(whole[:size])
	}))
	c := g.dial()
	sum, from := uint64(0), ""
	for range 2 {
		for _, size := range sizes {
			c.send(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", size))
			if resp, body := c.response("GET"); resp.StatusCode != 200 || body != string(whole[:size]) {
				t.Fatalf("%d and %d bytes, want %d", resp.StatusCode, len(body), size)
			}
			sum += uint64(size)
			at := loopback.Await(t, "the instance's client", addresses)
			if from != "" && at != from {
				g.lost()
			}
			from = at
			g.WaitIdle()
		}
	}
	if _, out := g.Route.Metrics.Bytes(); out != sum {
		t.Errorf("%d bytes were counted, want %d", out, sum)
	}
}

// Many at once, to clients of which some are slow; to our own engine more than the
// kernel is asked to move.
func TestManyLargeBodies(t *testing.T) {
	t.Parallel()
	for name, e := range engines {
		clients := 6
		if name == "http1" {
			clients = 70
		}
		t.Run(name, func(t *testing.T) { testManyLargeBodies(t, e, clients) })
	}
}

func testManyLargeBodies(t *testing.T, e engine, clients int) {
	t.Helper()
	const size = 1 << 20
	whole := numbered(size)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(whole)
	}))
	var heads, all sync.WaitGroup
	heads.Add(clients)
	for range clients {
		c := g.dial()
		all.Go(func() {
			_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if err == nil {
				_, err = c.r.Peek(1)
			}
			heads.Done()
			heads.Wait() // so that all are under way
			var resp *http.Response
			if err == nil {
				resp, err = http.ReadResponse(c.r, nil)
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(b, whole) {
				t.Errorf("%d bytes, %v", len(b), err)
			}
		})
	}
	all.Wait()
	g.WaitIdle()
	if _, out := g.Route.Metrics.Bytes(); out != uint64(clients)*size {
		t.Errorf("%d bytes were counted, want %d", out, clients*size)
	}
}

// What breaks in the middle of a large body ends the client's connection, so that
// it can tell; what had come by then arrives and is counted.
func TestLargeBodyBreaks(t *testing.T) { conformance(t, testLargeBodyBreaks) }

func testLargeBodyBreaks(t *testing.T, e engine) { breakLargeBody(t, e, false) }

func testSilenceInALargeBody(t *testing.T, e engine) { breakLargeBody(t, e, true) }

func breakLargeBody(t *testing.T, e engine, silently bool) {
	t.Helper()
	const length, sent = 1 << 20, 300_000
	whole := numbered(sent)
	hold := make(chan struct{})
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err != nil {
			return
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, whole)
		if silently {
			<-hold
		}
	})
	g := startGateway(t, e, func(r *proxy.Route, _ *options) {
		if silently {
			r.IdleTimeout = shortTime
		}
	}, addr)
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err == nil || !bytes.Equal(b, whole) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	resp.Body.Close()
	close(hold)
	g.WaitIdle()
	if _, out := g.Route.Metrics.Bytes(); out != sent {
		t.Errorf("%d bytes were counted, want %d", out, sent)
	}
	loopback.Eventually(t, "no connection counts", func() bool { return g.Listener.Open.Load() == 0 })
}

// A client that goes away in the middle of a large body frees the instance.
func TestClientGoneDuringALargeBody(t *testing.T) { conformance(t, testClientGoneDuringALargeBody) }

func testClientGoneDuringALargeBody(t *testing.T, e engine) {
	freed := make(chan struct{}, 1)
	g := startGateway(t, e, nil, loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err != nil {
			return
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 1<<40)
		_, _ = io.Copy(c, zeros{}) // ends when nobody takes them
		freed <- struct{}{}
	}))
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := io.CopyN(io.Discard, c.r, 1<<20); err != nil {
		t.Fatal(err)
	}
	c.Close()
	loopback.Await(t, "the instance is free", freed)
	g.WaitIdle()
}

// A client that takes nothing for the route's idle time is given up.
func TestClientThatTakesNothingOfALargeBody(t *testing.T) {
	conformance(t, testClientThatTakesNothingOfALargeBody)
}

func testClientThatTakesNothingOfALargeBody(t *testing.T, e engine) {
	freed := make(chan struct{}, 1)
	g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.IdleTimeout = 50 * time.Millisecond }, loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err != nil {
			return
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 1<<40)
		_, _ = io.Copy(c, zeros{}) // ends when nobody takes them
		freed <- struct{}{}
	}))
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	loopback.Await(t, "the instance is free", freed)
	g.WaitIdle()
}
