package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/gate"
)

// Server serves a listener that takes nothing but passages.
type Server struct {
	e   *Engine
	o   ListenerOptions
	log hclog.Logger

	retired atomic.Bool

	mu      sync.Mutex
	over    bool
	closed  chan struct{}
	in      *gate.Gate            // nil before Serve
	pending map[net.Conn]struct{} // of which nobody knows yet where they go
	all     sync.WaitGroup
}

// NewServer returns the server of a listener.
func (e *Engine) NewServer(o ListenerOptions) *Server {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return &Server{e: e, o: o, log: o.Logger, closed: make(chan struct{}), pending: make(map[net.Conn]struct{})}
}

// Serve accepts connections until Shutdown or Close, and returns nil then. A failure
// to accept, for want of file descriptors say, is waited out.
func (s *Server) Serve(ln net.Listener) error {
	in := gate.New(ln, s.o.Listener, s.o.MaxConnections, s.log)
	s.mu.Lock()
	s.in = in
	over := s.over
	s.mu.Unlock()
	if over {
		in.Close()
		return nil
	}
	for {
		c, err := in.Accept()
		switch {
		case err == nil:
			s.take(c)
		case s.isClosed() || s.retired.Load():
			return nil
		default:
			return err
		}
	}
}

// take serves a connection, which counts as open, and counts it off at its end.
func (s *Server) take(c net.Conn) {
	open := &s.o.Listener.Open
	if !s.open(c) {
		c.Close()
		open.Add(-1)
		return
	}
	go func() {
		defer open.Add(-1)
		defer c.Close()
		defer s.settled(c)
		defer outlast(s.log)
		s.serve(c)
	}()
}

// outlast is deferred where a panic is to end one connection and no more.
func outlast(log hclog.Logger) {
	if why := recover(); why != nil {
		log.Error("panic in a passage", "error", why, "stack", string(debug.Stack()))
	}
}

// serve finds out where a connection goes, and lets it pass.
func (s *Server) serve(c net.Conn) {
	table, name := s.e.table.Load(), s.o.Listener.Name
	var early []byte
	if table.named(name) {
		h, err := peek(c, s.o.HelloTimeout)
		if errors.Is(err, errGone) {
			return
		}
		early = h.raw
		if r := table.byName(name, h.name); err == nil && r != nil {
			s.pass(proxy.TLS, c, early, h.name, r)
			return
		}
		if err != nil && !errors.Is(err, errNotTLS) {
			s.refuse(c, h, err)
			return
		}
		if err == nil && s.o.TLS == nil {
			if r := table.rest(name); r != nil {
				s.pass(proxy.TLS, c, early, h.name, r)
				return
			}
			alert(c, alertUnrecognizedName)
			s.passage(proxy.TLS, c, nil, h.name, false).refuse(proxy.NoRoute, nil)
			return
		}
	}
	if s.o.TLS != nil {
		s.terminate(c, early, table)
		return
	}
	if r := table.rest(name); r != nil {
		s.pass(proxy.TCP, c, early, "", r)
		return
	}
	s.passage(proxy.TCP, c, nil, "", false).refuse(proxy.NoRoute, nil)
}

// refuse ends a connection whose ClientHello is none, or did not come.
func (s *Server) refuse(c net.Conn, h *hello, err error) {
	why := proxy.Malformed
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		why, err = proxy.RequestTimeout, errors.New("no ClientHello within the listener's read_header_timeout")
	case s.isClosed():
		return
	default:
		alert(c, alertDecodeError)
		err = fmt.Errorf("reading the ClientHello: %w", err)
	}
	s.passage(proxy.TCP, c, nil, h.name, false).refuse(why, err)
}

// terminate ends the client's TLS here.
func (s *Server) terminate(c net.Conn, early []byte, table *Table) {
	below := c
	if len(early) > 0 {
		below = &replayed{Conn: c, early: early}
	}
	secure := tls.Server(below, s.o.TLS)
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if s.o.HelloTimeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.o.HelloTimeout)
	}
	err := secure.HandshakeContext(ctx)
	cancel()
	if err != nil {
		s.log.Debug("TLS handshake failed", "peer", c.RemoteAddr().String(), "error", err)
		return
	}
	state := secure.ConnectionState()
	g := s.passage(proxy.TCP, c, nil, state.ServerName, true)
	g.down = secure
	if chains := state.VerifiedChains; len(chains) > 0 {
		g.x.Conn.SetClientCert(chains[0][0])
	}
	r := table.rest(s.o.Listener.Name)
	if r == nil {
		g.refuse(proxy.NoRoute, nil)
		return
	}
	g.pass(r)
}

func (s *Server) pass(of proxy.Protocol, c net.Conn, early []byte, name string, r *Route) {
	s.passage(of, c, early, name, false).pass(r)
}

func (s *Server) passage(of proxy.Protocol, c net.Conn, early []byte, name string, secure bool) *passage {
	return s.e.passage(of, proxy.NewConn(s.o.Listener, addrPort(c.RemoteAddr()), secure), c, early, name, func() { s.settled(c) })
}

// open notes a connection of which nobody knows yet where it goes, unless the server
// is shut down.
func (s *Server) open(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.pending[c] = struct{}{}
	s.all.Add(1)
	return true
}

// settled is called once it is known, by which the pipeline has it, and at its end.
func (s *Server) settled(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, is := s.pending[c]; is {
		delete(s.pending, c)
		s.all.Done()
	}
}

// Retire does nothing: a passage ends when those who have it end it. Serve returns
// nil when the listener is closed afterwards.
func (s *Server) Retire() { s.retired.Store(true) }

// Shutdown stops accepting, and ends the connections that have not said yet what
// they want. Passages are not waited for: the pipeline owns them.
func (s *Server) Shutdown(context.Context) error { return s.Close() }

// Close is Shutdown.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.over {
		s.over = true
		close(s.closed)
	}
	if s.in != nil {
		s.in.Close()
	}
	for c := range s.pending {
		c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
	return nil
}

func (s *Server) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}
