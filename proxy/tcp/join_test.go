package tcp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

const patience = time.Minute

// pair returns the two ends of a connection.
func pair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	out, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{out, in} {
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
	}
	return out, in
}

// plain is a connection that is no mere socket.
type plain struct{ net.Conn }

func (p plain) CloseWrite() error { return p.Conn.(*net.TCPConn).CloseWrite() }

// joined is a passage that is connected, with a client and an instance at its ends.
type joined struct {
	g                *passage
	client, instance net.Conn
	route            *proxy.Route
	done             chan error
}

func join(t testing.TB, early string, idle time.Duration, wrap bool) *joined {
	t.Helper()
	return joinWith(t, Options{}, early, idle, wrap)
}

func joinWith(t testing.TB, o Options, early string, idle time.Duration, wrap bool) *joined {
	t.Helper()
	client, down := pair(t)
	up, instance := pair(t)
	_ = down.SetDeadline(time.Time{})
	_ = up.SetDeadline(time.Time{})
	if wrap {
		down = plain{down}
	}
	e := New(o)
	t.Cleanup(e.Close)
	j := &joined{client: client, instance: instance, done: make(chan error, 1)}
	j.route = &proxy.Route{IdleTimeout: idle, Passages: proxy.NewPassageMetrics("r")}
	j.g = e.passage(proxy.TCP, nil, down, []byte(early), "", func() {})
	j.g.route, j.g.x.Route = &Route{Route: j.route}, j.route
	if err := j.g.connected(up); err != nil {
		t.Fatal(err)
	}
	go func() {
		j.done <- j.g.Join(&j.g.x)
		_ = j.g.Close()
	}()
	return j
}

func (j *joined) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-j.done:
		return err
	case <-time.After(patience):
		t.Fatal("the passage goes on")
		return nil
	}
}

// TestJoin: all bytes, in pieces of all sizes, both ways at once, to the last one,
// whether the kernel moves them or not.
func TestJoin(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		t.Run(fmt.Sprintf("copied %v", wrap), func(t *testing.T) {
			j := join(t, "early", time.Minute, wrap)
			send := func(c net.Conn, seed uint64, sum chan<- [sha256.Size]byte) {
				dice, h := rand.New(rand.NewPCG(seed, 1)), sha256.New()
				b := make([]byte, 1<<20)
				for range 60 {
					p := b[:1+dice.IntN(1<<dice.IntN(21))]
					for i := range p {
						p[i] = byte(dice.Uint32())
					}
					h.Write(p)
					if _, err := c.Write(p); err != nil {
						t.Error(err)
						break
					}
				}
				if err := c.(*net.TCPConn).CloseWrite(); err != nil {
					t.Error(err)
				}
				sum <- [sha256.Size]byte(h.Sum(nil))
			}
			read := func(c net.Conn, skip string) (n int64, sum [sha256.Size]byte) {
				first := make([]byte, len(skip))
				if _, err := io.ReadFull(c, first); err != nil || string(first) != skip {
					t.Errorf("%q %v", first, err)
				}
				h := sha256.New()
				n, err := io.Copy(h, c)
				if err != nil {
					t.Error(err)
				}
				return n + int64(len(skip)), [sha256.Size]byte(h.Sum(nil))
			}
			up, down := make(chan [sha256.Size]byte, 1), make(chan [sha256.Size]byte, 1)
			go send(j.client, 1, up)
			go send(j.instance, 2, down)
			got := make(chan [sha256.Size]byte, 1)
			var sent int64
			go func() {
				n, sum := read(j.client, "")
				sent = n
				got <- sum
			}()
			n, sum := read(j.instance, "early")
			if sum != <-up || <-got != <-down {
				t.Error("other bytes arrived")
			}
			if err := j.ended(t); err != nil {
				t.Error(err)
			}
			m := j.route.Passages
			if x := &j.g.x; x.BytesIn != n || x.BytesOut != sent || m.BytesIn.Load() != uint64(n) || m.BytesOut.Load() != uint64(sent) {
				t.Errorf("%d and %d bytes were counted, not %d and %d", x.BytesIn, x.BytesOut, n, sent)
			}
		})
	}
}

// TestJoinHalf: who has nothing more to say may still listen.
func TestJoinHalf(t *testing.T) {
	j := join(t, "", time.Minute, false)
	if err := j.client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(j.instance); err != nil || len(b) > 0 {
		t.Fatalf("%q %v", b, err)
	}
	for range 3 {
		fmt.Fprint(j.instance, "more")
		b := make([]byte, 4)
		if _, err := io.ReadFull(j.client, b); err != nil || string(b) != "more" {
			t.Fatalf("%q %v", b, err)
		}
	}
	j.instance.Close()
	if err := j.ended(t); err != nil {
		t.Error(err)
	}
}

// TestJoinBroken: a reset of one side is passed on, and said.
func TestJoinBroken(t *testing.T) {
	j := join(t, "", 0, false)
	fmt.Fprint(j.client, "hello")
	b := make([]byte, 5)
	if _, err := io.ReadFull(j.instance, b); err != nil {
		t.Fatal(err)
	}
	_ = j.instance.(*net.TCPConn).SetLinger(0)
	j.instance.Close()
	if err := j.ended(t); err == nil || !strings.HasPrefix(err.Error(), "reading from the instance: ") {
		t.Errorf("%v", err)
	}
	if _, err := j.client.Read(b); err == nil {
		t.Error("the client's connection is open")
	}
}

// TestJoinStalled: a side that takes nothing holds up the other, and no more than
// that: it is silence, and the passage ends.
func TestJoinStalled(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		j := join(t, "", 100*time.Millisecond, wrap)
		go func() {
			b := bytes.Repeat([]byte("x"), 1<<20)
			for {
				if _, err := j.client.Write(b); err != nil {
					return
				}
			}
		}()
		if err := j.ended(t); !errors.Is(err, errSilent) {
			t.Errorf("%v", err)
		}
	}
}

// TestClosedWhileConnecting: a connection to an instance that comes too late is
// closed.
func TestClosedWhileConnecting(t *testing.T) {
	_, down := pair(t)
	up, instance := pair(t)
	g := New(Options{}).passage(proxy.TCP, nil, down, nil, "", func() {})
	_ = g.Close()
	if err := g.connected(up); !errors.Is(err, errStopped) {
		t.Errorf("%v", err)
	}
	if _, err := instance.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	if g.Context().Err() == nil {
		t.Error("who waits goes on")
	}
}

// BenchmarkJoin carries 64 MiB one way.
func BenchmarkJoin(b *testing.B) {
	for _, wrap := range []bool{false, true} {
		b.Run(fmt.Sprintf("copied=%v", wrap), func(b *testing.B) {
			const size = 64 << 20
			b.SetBytes(size)
			for b.Loop() {
				j := join(b, "", 0, wrap)
				go func() {
					p := make([]byte, 256<<10)
					for range size / len(p) {
						_, _ = j.client.Write(p)
					}
					j.client.(*net.TCPConn).CloseWrite()
				}()
				if n, err := io.Copy(io.Discard, j.instance); err != nil || n != size {
					b.Fatal(n, err)
				}
				j.instance.Close()
				<-j.done
			}
		})
	}
}

// world is an engine with one route for every passage.
func world(t *testing.T) (*proxy.Proxy, *Engine, func(names ...string)) {
	t.Helper()
	p := proxy.New(limits.NewClock(), nil)
	e := New(Options{Proxy: p})
	t.Cleanup(e.Close)
	instance, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { instance.Close() })
	go func() {
		for {
			c, err := instance.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	at := instance.Addr().(*net.TCPAddr)
	set := upstream.NewSet(upstream.Options{})
	set.Apply(&catalog.Snapshot{Source: "static", Services: map[string]*catalog.Service{
		"s": {Name: "s", Instances: []catalog.Instance{{Key: "a", Address: at.IP.String(), Port: at.Port, Weight: 1, Local: true}}},
	}})
	pool, err := set.Pool(upstream.PoolSpec{Service: "s"})
	if err != nil {
		t.Fatal(err)
	}
	return p, e, func(names ...string) {
		r := &proxy.Route{
			Rule: router.Rule{Name: "r"}, Service: "s", Pool: pool, ConnectTimeout: patience, Passages: proxy.NewPassageMetrics("r"), Metrics: proxy.NewRouteMetrics("r"),
		}
		table, err := NewTable([]*Route{{Route: r, Listener: "l", Names: names}})
		if err != nil {
			t.Fatal(err)
		}
		e.Swap(table)
	}
}

// serve runs a server of the listener "l".
func serve(t *testing.T, e *Engine, o ListenerOptions) (*Server, net.Addr) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Listener = &proxy.Listener{Name: "l"}
	s := e.NewServer(o)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, ln.Addr()
}

func dial(t *testing.T, at net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func echoed(t *testing.T, c net.Conn) {
	t.Helper()
	fmt.Fprint(c, "ping")
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "ping" {
		t.Fatalf("%q %v", b, err)
	}
}

// TestServerBound: one connection more than max_connections is closed at once.
func TestServerBound(t *testing.T) {
	_, e, route := world(t)
	route()
	s, at := serve(t, e, ListenerOptions{MaxConnections: 1})
	first := dial(t, at)
	echoed(t, first)
	if _, err := dial(t, at).Read(make([]byte, 1)); err == nil {
		t.Error("there is room for a second one")
	}
	if l := s.o.Listener; l.Accepted.Load() != 2 || l.Refused.Load() != 1 || l.Open.Load() != 1 {
		t.Errorf("%d accepted, %d refused, %d open", l.Accepted.Load(), l.Refused.Load(), l.Open.Load())
	}
	echoed(t, first)
}

// TestServerHasNoPatience with who does not say what it wants: by the clock, and
// when it is shut down, which passages outlast.
func TestServerHasNoPatience(t *testing.T) {
	p, e, route := world(t)
	route("a.example")
	_, at := serve(t, e, ListenerOptions{HelloTimeout: 50 * time.Millisecond})
	slow := dial(t, at)
	_, _ = slow.Write(message(serverNames("a.example"))[:20]) // which may be too late already
	if b, err := io.ReadAll(slow); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it was not closed: %q, %v", b, err)
	}

	s, at := serve(t, e, ListenerOptions{})
	silent, passing := dial(t, at), dial(t, at)
	hello := message(serverNames("a.example"))
	if _, err := passing.Write(hello); err != nil {
		t.Fatal(err)
	}
	if got := make([]byte, len(hello)); true {
		if _, err := io.ReadFull(passing, got); err != nil || !bytes.Equal(got, hello) {
			t.Fatalf("the instance did not get the hello as it came: %v", err)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent one goes on")
	}
	echoed(t, passing)
	p.CloseTunnels()
	if _, err := io.ReadAll(passing); err != nil {
		t.Errorf("it was not closed: %v", err)
	}
}

// TestUnanswered: why an instance has ended a passage is asked when it was the
// instance, and before its first byte.
func TestUnanswered(t *testing.T) {
	type ending func(t *testing.T, j *joined)
	end := func(t *testing.T, c net.Conn) {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Error(err)
		}
	}
	hear := func(t *testing.T, c net.Conn, want string) {
		if b, err := io.ReadAll(c); err != nil || string(b) != want {
			t.Errorf("%q %v", b, err)
		}
	}
	for _, test := range []struct {
		name          string
		end           ending
		asked, broken bool
	}{
		{"the instance ends", func(t *testing.T, j *joined) {
			end(t, j.instance)
			hear(t, j.client, "")
			end(t, j.client)
		}, true, false},
		{"the instance breaks off", func(t *testing.T, j *joined) {
			if err := j.instance.(*net.TCPConn).SetLinger(0); err != nil {
				t.Error(err)
			}
			j.instance.Close()
		}, true, true},
		{"the instance ends after a byte", func(t *testing.T, j *joined) {
			if _, err := j.instance.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			end(t, j.instance)
			hear(t, j.client, "x")
			end(t, j.client)
		}, false, false},
		{"the client ends", func(t *testing.T, j *joined) {
			end(t, j.client)
			hear(t, j.instance, "")
			end(t, j.instance)
		}, false, false},
		{"the gateway ends", func(_ *testing.T, j *joined) { _ = j.g.Close() }, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked, told := false, error(nil)
			denied := &proxy.ForwardError{Cause: proxy.Broke, Answer: proxy.IntentionDenied}
			j := joinWith(t, Options{Unanswered: func(_ *proxy.Exchange, err error) *proxy.ForwardError {
				asked, told = true, err
				return denied
			}}, "", time.Minute, false)
			test.end(t, j)
			err := j.ended(t)
			if asked != test.asked || asked && ((told != nil) != test.broken || !errors.Is(err, error(denied))) || !asked && (err != nil) != test.broken {
				t.Errorf("asked %v about %v: %v", asked, told, err)
			}
		})
	}
}
