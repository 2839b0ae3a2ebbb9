package http1

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"syscall"

	"github.com/lictor/lictor/proxy"
)

// conn is one client's connection, served on one goroutine. While it waits for a
// request it holds no buffers.
type conn struct {
	s    *Server
	sock net.Conn // as it was accepted
	nc   net.Conn // the same, or TLS over it
	peer *proxy.Conn
	// shown is the verified certificate of the client; nil without one.
	shown *x509.Certificate
	w     *work // nil while idle

	secure  bool
	fresh   bool // no head has been read yet
	heading bool // the deadline is that of a head
	parsed  bool // the head of the next request has been parsed
	h2      bool // the client speaks HTTP/2
	taken   bool // somebody else owns the connection
	polite  bool // the client may still be sending, and should read our answer
	lingers bool // the rest of an unwanted body is being read
	owed    bool // the server is shut down, and one more request is on its way
	stopped atomic.Bool
	readBy  alarm
	writeBy alarm
	first   [1]byte

	raw rawServer

	// seq is odd while an exchange is served.
	seq     atomic.Uint32
	gone    atomic.Uint32 // the seq whose client has gone; 0 for none
	waiting atomic.Pointer[upConn]
	cancel  atomic.Pointer[context.CancelFunc]

	// What follows is guarded by s.mu.
	index  int    // in s.conns, -1 once it is not there
	swept  uint32 // seq when it was looked at last
	looked uint32 // 1 + the seq for which it was known to be open while idle
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{s: s, sock: nc, nc: nc, fresh: true}
}

// serve takes requests until the connection ends.
func (c *conn) serve() {
	defer c.end()
	if !c.handshake() {
		return
	}
	c.peer = proxy.NewConn(c.s.o.Listener, peerOf(c.sock.RemoteAddr()), c.secure)
	if c.shown != nil {
		c.peer.SetClientCert(c.shown)
	}
	c.raw.init(c)
	c.arm()
	c.loop()
	if c.h2 {
		c.takeOut()
	}
}

// end closes the connection, unless somebody else has it.
func (c *conn) end() {
	if p := recover(); p != nil {
		c.panicked(p)
	}
	if c.taken {
		c.release()
		return
	}
	if c.polite {
		c.lend()
		linger(c.nc, c.w.in)
	}
	c.release()
	c.nc.Close()
	c.leave()
	c.s.o.Listener.Open.Add(-1)
}

// panicked logs a panic of the pipeline's as the fault that it is. What the
// exchange has used is not used again.
func (c *conn) panicked(p any) {
	c.s.log.Error("serving a request panicked", "listener", c.s.o.Listener.Name, "panic", p, "stack", string(debug.Stack()))
	c.polite = false
	if c.w == nil {
		return
	}
	c.w.w.end()
	c.w = nil
}

// leave takes the connection out of the server's hands.
func (c *conn) leave() { c.s.remove(c) }

// lend gives the connection what it needs for a request.
func (c *conn) lend() {
	if c.w == nil {
		w := c.s.works.Get().(*work)
		w.c, w.x.Conn = c, c.peer
		c.w = w
	}
}

// release gives it back.
func (c *conn) release() {
	w := c.w
	if w == nil {
		return
	}
	c.w = nil
	w.reset()
	c.s.works.Put(w)
}

// rest gives the buffers back if nothing is in them.
func (c *conn) rest() {
	if c.w.r == c.w.n {
		c.release()
	}
}

// loop reads and serves.
func (c *conn) loop() {
	if c.raw.usable() {
		c.raw.loop()
		return
	}
	for c.fill() {
		if c.serveBuffered(false) != more {
			return
		}
	}
}

// fill waits for more of a head. It reports false at the connection's end.
func (c *conn) fill() bool {
	for {
		c.arm()
		n, err := c.read()
		if n > 0 {
			return true
		}
		if !c.goesOn(err) {
			return false
		}
	}
}

// read reads once behind what there is. An idle connection waits with one byte
// of room, so that its buffer serves others.
func (c *conn) read() (int, error) {
	if c.w == nil || c.w.n == c.w.r {
		c.release()
		n, err := c.nc.Read(c.first[:])
		if n == 0 {
			return 0, err
		}
		c.lend()
		c.w.in[0], c.w.n = c.first[0], 1
	}
	w := c.w
	w.makeRoom(c.s.o.MaxHeaderBytes)
	n, err := c.nc.Read(w.in[w.n:])
	w.n += n
	return n, err
}

// arm sets the deadline for the next bytes of a head. It must be called before
// each wait, and after the end of an exchange has been told to others.
func (c *conn) arm() {
	now := c.s.now()
	switch {
	case c.owed:
		return
	case c.fresh:
		if !c.heading {
			c.heading = true
			c.setReadDeadline(now, c.s.o.ReadHeaderTimeout)
		}
	case c.w != nil && c.w.n > c.w.r:
		if !c.heading {
			c.heading = true
			c.setReadDeadline(now, c.s.o.ReadHeaderTimeout)
		}
	default:
		c.heading = false
		c.setReadDeadline(now, c.s.o.IdleTimeout)
	}
	if c.s.draining.Load() && (c.w == nil || c.w.n == c.w.r) {
		c.readBy.lost()
		_ = c.nc.SetReadDeadline(past) // fails on a closed connection only
	}
}

// goesOn decides whether there is something to wait for after a failed read. A
// server that is being shut down wakes its connections in this way: those that
// have got something of a request by then may go on.
func (c *conn) goesOn(err error) bool {
	if !isTimeout(err) || !c.s.draining.Load() || c.s.closed.Load() || c.lastChance() {
		return false
	}
	if c.w == nil || c.w.n == c.w.r {
		if n, _ := peek(c.sock); n <= 0 {
			return false
		}
		c.lend()
	}
	c.readBy.lost()
	c.heading, c.owed = true, true
	c.setReadDeadline(c.s.now(), c.s.o.ReadHeaderTimeout)
	return true
}

// lastChance reports whether the deadline that struck was that of a head.
func (c *conn) lastChance() bool {
	return c.heading && c.readBy.at > 0 && c.s.now() >= c.readBy.at
}

var errStopped = errors.New("the request's body was cut short")

// stopBody makes whoever waits for the client's body give up at once.
func (c *conn) stopBody() {
	c.stopped.Store(true)
	_ = c.nc.SetReadDeadline(past) // fails on a closed connection only
}

// hasGone reports whether the client has closed its connection. While there are
// bytes to read, another request or a body, that can't be told.
func (c *conn) hasGone() bool {
	if c.s.tls != nil && peerClosed(c.sock) {
		return true // the farewell of TLS lies in front of the end
	}
	n, err := peek(c.sock)
	return n == 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// peerOf returns the other end's address, the unspecified one when it has none,
// as on a Unix socket.
func peerOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	if a != nil {
		if ap, err := netip.ParseAddrPort(a.String()); err == nil {
			return ap
		}
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}
