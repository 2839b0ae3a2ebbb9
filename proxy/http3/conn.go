package http3

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/lictor/lictor/proxy"
)

const (
	// parting is how long a client that has been told to go may take to do so when
	// nothing runs.
	parting = time.Second
	// hearing is how long it may from when its last response has been written on.
	// What of that is on its way, or lost and to be sent again, arrives in this
	// time: the connection's end takes from a client what it has not read yet.
	hearing = 5 * time.Second
)

// connKey is the context key of a *conn.
type connKey struct{}

// conn is a client's connection, from its first datagram on.
type conn struct {
	s        *Server
	proven   bool        // a token of ours has proven its address
	borrowed atomic.Bool // its ticket is another server's
	familiar sync.Once
	about    atomic.Pointer[proxy.Conn]

	mu      sync.Mutex
	quic    *quic.Conn  // nil until it can carry requests
	timer   *time.Timer // ends it when nothing runs; nil for never
	running int
	last    time.Time // when a request has ended last; zero for none
	leaving bool
	ended   bool
}

// known takes the client out of the strangers.
func (c *conn) known() {
	c.familiar.Do(func() {
		if !c.proven {
			c.s.door.strangers.Add(-1)
		}
	})
}

// left ends the connection's account.
func (c *conn) left() {
	c.known()
	c.mu.Lock()
	c.ended = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	c.s.listener.Open.Add(-1)
	c.s.conns.remove(c)
}

// begin lets requests come.
func (c *conn) begin(q *quic.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quic = q
	c.restLocked()
}

// restLocked bounds the time in which nothing runs.
func (c *conn) restLocked() {
	d := rest(c.s.idle, c.leaving, c.last, time.Now())
	switch {
	case d <= 0 || c.ended || c.quic == nil:
	case c.timer == nil:
		c.timer = time.AfterFunc(d, c.expire)
	default:
		c.timer.Reset(d)
	}
}

// rest is how long a connection on which nothing runs may stay; 0 is for ever.
func rest(idle time.Duration, leaving bool, last, now time.Time) time.Duration {
	switch {
	case !leaving:
		return idle
	case last.IsZero():
		return parting
	}
	return max(parting, hearing-now.Sub(last))
}

// expire ends a connection on which nothing has run for long enough.
func (c *conn) expire() {
	c.mu.Lock()
	busy := c.running > 0
	c.mu.Unlock()
	if !busy {
		c.close()
	}
}

func (c *conn) close() {
	c.mu.Lock()
	q := c.quic
	c.mu.Unlock()
	if q != nil {
		_ = q.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") // it fails on a closed connection only
	}
}

// serve begins a request.
func (c *conn) serve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running++
	if c.timer != nil {
		c.timer.Stop()
	}
}

// served ends a request.
func (c *conn) served() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
	if c.running--; c.running == 0 {
		c.restLocked()
	}
}

// part ends the connection as soon as nothing runs.
func (c *conn) part() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
	if c.running == 0 {
		c.restLocked()
	}
}

// client describes the connection for a request. A client may move to another
// address (RFC 9000 section 9); quic-go follows once it has proven that one.
func (c *conn) client() *proxy.Conn {
	var peer netip.AddrPort
	if u, ok := c.quic.RemoteAddr().(*net.UDPAddr); ok {
		peer = u.AddrPort()
	}
	peer = netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port())
	if k := c.about.Load(); k != nil && k.Peer == peer {
		return k
	}
	k := proxy.NewConn(c.s.listener, peer, true)
	c.about.Store(k)
	return k
}

// conns are the connections that have begun and not ended.
type conns struct {
	mu      sync.Mutex
	all     map[*conn]struct{}
	parting bool
	none    chan struct{} // closed when parting and there are none
}

func newConns() conns {
	return conns{all: map[*conn]struct{}{}, none: make(chan struct{})}
}

func (s *conns) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[c] = struct{}{}
}

func (s *conns) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, c)
	s.tellLocked()
}

func (s *conns) tellLocked() {
	if !s.parting || len(s.all) > 0 {
		return
	}
	select {
	case <-s.none:
	default:
		close(s.none)
	}
}

// part has every connection end when nothing runs on it. No others may be added.
func (s *conns) part() {
	for _, c := range s.list() {
		c.part()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parting = true
	s.tellLocked()
}

// gone is closed once part was called and all have ended.
func (s *conns) gone() <-chan struct{} { return s.none }

// close ends all at once.
func (s *conns) close() {
	var wg sync.WaitGroup
	for _, c := range s.list() {
		wg.Go(func() { c.close() })
	}
	wg.Wait()
}

func (s *conns) list() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.all))
	for c := range s.all {
		all = append(all, c)
	}
	return all
}
