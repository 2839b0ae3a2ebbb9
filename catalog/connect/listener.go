package connect

import (
	"net"
	"sync"
)

// Listen wraps a listener so that connections of clients whom an intention
// denies later are closed: intentions are looked at when a connection is made,
// and a connection can live long.
func (s *Server) Listen(ln net.Listener) net.Listener { return &listener{Listener: ln, server: s} }

type listener struct {
	net.Listener
	server *Server
}

// Accept returns the next connection, which is in no service's name yet.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, server: l.server}, nil
}

// Conn is a connection of a client in the mesh.
type Conn struct {
	net.Conn
	server *Server
	source ID // zero before the handshake
	once   sync.Once
}

// NetConn returns the connection below, as tls.Conn's does.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// meshConn finds the Conn below what others have wrapped around it.
func meshConn(c net.Conn) *Conn {
	for {
		switch t := c.(type) {
		case *Conn:
			return t
		case interface{ NetConn() net.Conn }:
			c = t.NetConn()
		default:
			return nil
		}
	}
}

// admit notes whose connection it is.
func (c *Conn) admit(id ID) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c.source = id
	s.conns[c] = struct{}{}
}

// Close closes the connection and forgets it.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.server.mu.Lock()
		delete(c.server.conns, c)
		c.server.mu.Unlock()
	})
	return c.Conn.Close()
}

// Review closes the connections of clients that would be denied by now. What is
// in flight on them breaks.
func (s *Server) Review() {
	s.mu.Lock()
	var out []*Conn
	for c := range s.conns {
		if ok, why := s.allowed(c.source); !ok {
			s.intentions.log.Info("mesh client is denied by now, its connection is closed", "source", c.source.String(), "reason", why)
			out = append(out, c)
		}
	}
	s.mu.Unlock()
	for _, c := range out {
		s.intentions.denied.Add(1)
		_ = c.Close() // it is being thrown away
	}
}
