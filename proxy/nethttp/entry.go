package nethttp

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/proxy"
)

// entry is a client's connection. It counts as open until it is closed, whoever
// owns it by then.
type entry struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
	// unread says that the client may still be sending what nobody will read.
	unread atomic.Bool
}

// drainTime bounds how long Close waits for a client that is still sending.
const drainTime = 500 * time.Millisecond

// Close closes the connection. Closing one that has unread bytes resets it, and
// a reset takes the answer away from a client that has not read it yet. So if
// there may be some, only our direction is closed at first (RFC 9112 section
// 9.6).
func (e *entry) Close() error {
	e.once.Do(func() {
		if e.unread.Load() && e.CloseWrite() == nil && e.Conn.SetReadDeadline(time.Now().Add(drainTime)) == nil {
			_, _ = io.Copy(io.Discard, e.Conn) // until the client has closed, or time is up
		}
		e.open.Add(-1)
	})
	return e.Conn.Close()
}

// NetConn returns the connection beneath, for whoever judges a client by it.
func (e *entry) NetConn() net.Conn { return e.Conn }

// CloseWrite ends our direction only. net/http looks for it too.
func (e *entry) CloseWrite() error {
	if c, ok := e.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// client is what a context knows of the connection that a request came by.
type client struct {
	conn  *proxy.Conn
	entry *entry               // nil for a foreign connection
	tls   *tls.ConnectionState // of HTTP/2; net/http knows that of HTTP/1
}

// clientKey is the context key of a *client.
type clientKey struct{}

// newClient describes a connection, for all of its requests.
func newClient(l *proxy.Listener, c net.Conn) *client {
	k := new(client)
	from := peer(c.RemoteAddr())
	if w, ok := c.(*watched); ok {
		k.tls, c = w.tls, w.Conn
	}
	t, secure := c.(*tls.Conn)
	if secure {
		c = t.NetConn()
	}
	k.conn = proxy.NewConn(l, from, secure)
	k.entry, _ = c.(*entry)
	return k
}
