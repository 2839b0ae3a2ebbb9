package proxyprotocol

import (
	"errors"
	"net"
	"net/netip"
)

// conn is a connection behind its header.
type conn struct {
	net.Conn
	rest   []byte   // read together with the header
	remote net.Addr // nil for the peer itself
}

// behind returns the connection as it goes on after its header.
func behind(c net.Conn, rest []byte, client netip.AddrPort) net.Conn {
	k := &conn{Conn: c, rest: rest}
	if client.IsValid() {
		k.remote = net.TCPAddrFromAddrPort(client)
	}
	return k
}

// RemoteAddr returns the client that the header names.
func (c *conn) RemoteAddr() net.Addr {
	if c.remote != nil {
		return c.remote
	}
	return c.Conn.RemoteAddr()
}

// Read reads what came with the header first.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

// Bare returns the connection beneath. It reports whether that is all there is: what
// came with the header has been read.
func (c *conn) Bare() (net.Conn, bool) { return c.Conn, len(c.rest) == 0 }

// CloseWrite ends our direction only.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn returns the connection beneath, for an engine that looks whether the
// client has gone. Reading from it would miss what came with the header.
func (c *conn) NetConn() net.Conn { return c.Conn }
