package http1_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// aging is a way of TLS whose connections grow old when it says so.
type aging struct {
	trusting
	old *atomic.Bool
}

// Fresh implements proxy.AgingTLS.
func (a aging) Fresh(age time.Duration) bool { return age >= 0 && !a.old.Load() }

// TestOldConnectionsTakeNoMoreRequests has an instance that tells by which
// connection it was asked.
func TestOldConnectionsTakeNoMoreRequests(t *testing.T) {
	closed := make(chan int, 8)
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(n int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := loopback.ReadHead(r); err != nil {
				if !errors.Is(err, io.EOF) && n < 2 {
					t.Errorf("connection %d ended by %v, not by a farewell", n, err)
				}
				closed <- n
				return
			}
			_, _ = io.WriteString(c, strings.Replace(ok, "ok", string(rune('0'+n))+".", 1))
		}
	})
	a := aging{old: new(atomic.Bool)}
	g := startGateway(t, ours, func(r *proxy.Route, _ *options) { r.UpstreamTLS = a }, addr)
	c := g.dial()
	for _, step := range []struct {
		old  bool
		want string
	}{{false, "0."}, {false, "0."}, {true, "1."}, {false, "1."}, {true, "2."}} {
		a.old.Store(step.old)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		if resp, body := c.response("POST"); resp.StatusCode != 200 || body != step.want {
			t.Errorf("%d, by connection %s, want %s", resp.StatusCode, body, step.want)
		}
	}
	ended := map[int]bool{} // in any order: each is noticed by somebody else
	for range 2 {
		ended[loopback.Await(t, "the end of an old connection", closed)] = true
	}
	if !ended[0] || !ended[1] {
		t.Errorf("%v ended, want the first two", ended)
	}
}

// TestWhatTLSHoldsBack has an instance that sends more in the packet of its answer:
// the end of TLS, or half of something. TLS has read it, so that nothing shows at
// the socket. The next request, which may not be sent twice, goes elsewhere.
func TestWhatTLSHoldsBack(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		for _, half := range []bool{false, true} {
			addr := startCorked(t, version, half)
			g := startGateway(t, ours, func(r *proxy.Route, _ *options) { r.UpstreamTLS = trusting{} }, addr)
			c := g.dial()
			for range 5 {
				c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
				if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "ok" {
					t.Errorf("%s, half %v: %d %s", name, half, resp.StatusCode, body)
				}
			}
		}
	}
}

// corked keeps what is written back until it is let go, but for a part.
type corked struct {
	net.Conn
	on   bool
	kept []byte
}

func (c *corked) Write(p []byte) (int, error) {
	if c.on {
		c.kept = append(c.kept, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// startCorked answers one request on each connection, in one packet with an alert
// behind it, or a half of what nobody has asked for.
func startCorked(t *testing.T, version uint16, half bool) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	certificate, _ := authority()
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: version, MaxVersion: version}
	over := make(chan struct{})
	var all sync.WaitGroup
	t.Cleanup(func() {
		close(over)
		ln.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer nc.Close()
				c := &corked{Conn: nc}
				s := tls.Server(c, config)
				if _, err := loopback.ReadHead(bufio.NewReader(s)); err != nil {
					return
				}
				c.on = true
				_, _ = io.WriteString(s, ok)
				if half {
					_, _ = io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
					c.kept = c.kept[:len(c.kept)-3]
				} else {
					_ = s.CloseWrite()
				}
				_ = nc.SetWriteDeadline(time.Time{}) // which CloseWrite has set
				_, _ = nc.Write(c.kept)
				<-over
			})
		}
	})
	return ln.Addr().String()
}
