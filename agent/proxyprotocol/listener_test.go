package proxyprotocol

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// fakeListener accepts connections over pipes, with a peer's address of the
// test's choice.
type fakeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *fakeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *fakeListener) Addr() net.Addr { return &net.TCPAddr{} }

type fromConn struct {
	net.Conn
	from net.Addr
}

func (c fromConn) RemoteAddr() net.Addr { return c.from }

// front is a listener with a PROXY protocol and those who connect to it.
type front struct {
	t    *testing.T
	fake *fakeListener
	*Listener
	count *atomic.Int32 // of refused connections
}

// balancer is the peer that is trusted.
const balancer = "10.0.0.5:4321"

func newFront(t *testing.T, mode Mode, timeout time.Duration) *front {
	t.Helper()
	fake := &fakeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	trusted := netip.MustParsePrefix("10.0.0.0/8")
	count := new(atomic.Int32)
	f := &front{t, fake, Wrap(fake, Options{Mode: mode, Trusted: trusted.Contains, Timeout: timeout, Refused: func() { count.Add(1) }}), count}
	t.Cleanup(func() { f.Close() })
	return f
}

// connect is a connection from the address.
func (f *front) connect(from string) net.Conn {
	f.t.Helper()
	near, far := net.Pipe()
	f.t.Cleanup(func() { near.Close() })
	if err := near.SetDeadline(time.Now().Add(patience)); err != nil {
		f.t.Fatal(err)
	}
	f.fake.conns <- fromConn{far, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}
	return near
}

// send writes the pieces, whether or not somebody reads them.
func (f *front) send(c net.Conn, pieces ...string) {
	go func() {
		for _, p := range pieces {
			if _, err := io.WriteString(c, p); err != nil {
				return
			}
		}
	}()
}

// accepted returns who the next connection comes from, and the first bytes on it.
func (f *front) accepted(n int) (string, string) {
	f.t.Helper()
	c, err := f.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		f.t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		f.t.Fatal(err)
	}
	return c.RemoteAddr().String(), string(b)
}

// refused wants the connection to be closed.
func (f *front) refused(c net.Conn) {
	f.t.Helper()
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		f.t.Errorf("got %d bytes and %v, want a closed connection", n, err)
	}
}

func TestListener(t *testing.T) {
	const header1, header2 = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n", "192.0.2.1:1234"
	for _, c := range []struct {
		name   string
		mode   Mode
		from   string
		pieces []string
		client string // "" for a refused connection
		bytes  string
	}{
		{"required", Required, balancer, []string{header1 + "hello"}, header2, "hello"},
		{"binary", Required, balancer, []string{v2(1, 0x21, ends6) + "hello"}, "[2001:db8::7]:1234", "hello"},
		{"in pieces", Required, balancer, []string{"P", "ROXY TCP4 192.0.2.1 192.0", ".2.2 1234 443\r", "\n", "hel", "lo"}, header2, "hello"},
		{"binary in pieces", Required, balancer, []string{v2(1, 0x11, ends4)[:13], v2(1, 0x11, ends4)[13:], "hello"}, header2, "hello"},
		{"long", Required, balancer, []string{v2(1, 0x11, ends4+strings.Repeat("x", 3000)) + "hello"}, header2, "hello"},
		{"local", Required, balancer, []string{v2(0, 0x11, ends4) + "hello"}, balancer, "hello"},
		{"unknown", Required, balancer, []string{"PROXY UNKNOWN\r\nhello"}, balancer, "hello"},
		{"once", Required, balancer, []string{header1, header1}, header2, header1},
		{"missing", Required, balancer, []string{"GET / HTTP/1.1\r\n"}, "", ""},
		{"malformed", Required, balancer, []string{"PROXY TCP4 x y 1 2\r\n"}, "", ""},
		{"spoofed", Required, "203.0.113.9:1", []string{header1 + "hello"}, "", ""},
		{"stranger", Required, "203.0.113.9:1", []string{"GET / HTTP/1.1\r\n"}, "", ""},

		{"optional", Optional, balancer, []string{header1 + "hello"}, header2, "hello"},
		{"optional, missing", Optional, balancer, []string{"POST / HTTP/1.1\r\n"}, balancer, "POST / HTTP/1.1\r\n"},
		{"optional, missing, in pieces", Optional, balancer, []string{"P", "O", "ST"}, balancer, "POST"},
		{"optional, malformed", Optional, balancer, []string{"PROXY TCP4 x y 1 2\r\n"}, "", ""},
		{"optional, spoofed", Optional, "203.0.113.9:1", []string{header1}, "203.0.113.9:1", header1},
		{"optional, stranger", Optional, "203.0.113.9:1", []string{"GET /"}, "203.0.113.9:1", "GET /"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFront(t, c.mode, patience)
			near := f.connect(c.from)
			f.send(near, c.pieces...)
			if c.client == "" {
				f.refused(near)
				if n := f.count.Load(); n != 1 {
					t.Errorf("%d were counted", n)
				}
				return
			}
			if who, got := f.accepted(len(c.bytes)); who != c.client || got != c.bytes {
				t.Errorf("got %q from %s, want %q from %s", got, who, c.bytes, c.client)
			}
		})
	}
}

// TestListenerSlowHeader lets one peer dawdle while another is served.
func TestListenerSlowHeader(t *testing.T) {
	f := newFront(t, Required, 50*time.Millisecond)
	slow := f.connect(balancer)
	f.send(slow, "PROXY TCP4 ")
	f.connect(balancer) // and one that sends nothing
	quick := f.connect(balancer)
	f.send(quick, "PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\nhello")
	if who, got := f.accepted(5); who != "192.0.2.1:1234" || got != "hello" {
		t.Errorf("got %q from %s", got, who)
	}
	f.refused(slow)
}

// TestListenerClose ends what waits for a header, and what nobody accepted.
func TestListenerClose(t *testing.T) {
	f := newFront(t, Required, 0)
	slow, unaccepted := f.connect(balancer), f.connect(balancer)
	if _, err := io.WriteString(unaccepted, "PROXY UNKNOWN\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.refused(slow)
	f.refused(unaccepted)
	if _, err := f.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// TestListenerBelowCloses: whoever was let in by then is handed out, and then nobody.
func TestListenerBelowCloses(t *testing.T) {
	f := newFront(t, Required, patience)
	slow := f.connect(balancer)
	if _, err := io.WriteString(slow, "PROXY TCP4 "); err != nil {
		t.Fatal(err)
	}
	f.fake.Close()
	f.send(slow, "192.0.2.1 192.0.2.2 1234 443\r\nhello")
	if who, got := f.accepted(5); who != "192.0.2.1:1234" || got != "hello" {
		t.Errorf("got %q from %s", got, who)
	}
	if _, err := f.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// TestListenerSilentPeer: a balancer that only looks whether someone listens is
// no refusal.
func TestListenerSilentPeer(t *testing.T) {
	f := newFront(t, Required, patience)
	f.connect(balancer).Close()
	after := f.connect(balancer)
	f.send(after, "PROXY UNKNOWN\r\nhello")
	if who, _ := f.accepted(5); who != balancer {
		t.Errorf("got %s", who)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := f.count.Load(); n != 0 {
		t.Errorf("%d were counted", n)
	}
}
