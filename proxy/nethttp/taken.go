package nethttp

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// Take serves a connection that another engine has accepted and then found to
// speak HTTP/2: a *tls.Conn that has negotiated h2, or one in clear from which
// the preface (RFC 9113 section 3.4) can still be read. It counts as an open
// connection of the listener already, and is counted off at its end. Take does not
// wait for it, and closes it after Shutdown or Close.
func (s *Server) Take(c net.Conn) {
	w := s.watch(c)
	s.taken.conns.Store(w, struct{}{})
	if !w.adequate() || !s.taken.push(w) {
		s.left(w)
		_ = w.Close() // nobody is served by it
	}
}

// inherit serves a connection that net/http's own server has found to speak HTTP/2,
// until it is closed.
func (s *Server) inherit(_ *http.Server, c *tls.Conn, _ http.Handler) {
	if w := s.watch(c); w.adequate() && s.taken.push(w) {
		<-w.box.done
	}
}

// watch keeps an eye on the frames of a connection.
func (s *Server) watch(c net.Conn) *watched {
	return watch(c, s.wasted, s.within, func(f frame) {
		s.listener.Flooding.Add(1)
		s.log.Debug("closed a connection with too many frames that bring no request any further",
			"listener", s.listener.Name, "client", c.RemoteAddr().String(), "frame_type", f.kind)
	})
}

// watchedListener watches the connections that it accepts.
type watchedListener struct {
	net.Listener
	s *Server
}

// Accept implements net.Listener.
func (l watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.s.watch(c), nil
}

// ServeTaken serves what Take is given until Shutdown or Close, and returns nil
// then.
func (s *Server) ServeTaken() error { return s.ended(s.h2.Serve(&s.taken)) }

// left takes a connection out of the counts, if it came by Take.
func (s *Server) left(c net.Conn) {
	if _, ok := s.taken.conns.LoadAndDelete(c); ok {
		s.listener.Open.Add(-1)
	}
}

// connState hears of every change of a connection.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		s.left(c)
	}
}

// takenConns is the listener that hands over what Take is given.
type takenConns struct {
	conns sync.Map // of net.Conn, those that are open
	queue chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (t *takenConns) push(c net.Conn) bool {
	select {
	case <-t.done:
		return false
	default:
	}
	select {
	case t.queue <- c:
		return true
	case <-t.done:
		return false
	}
}

// Accept implements net.Listener.
func (t *takenConns) Accept() (net.Conn, error) {
	select {
	case c := <-t.queue:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (t *takenConns) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}

// Addr implements net.Listener.
func (t *takenConns) Addr() net.Addr { return &net.TCPAddr{} }

// offering returns the TLS configuration with both protocols on offer, nil for
// nil.
func offering(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	c.NextProtos = []string{"h2", "http/1.1"}
	return c
}
