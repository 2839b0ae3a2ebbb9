package tcp

import (
	"errors"
	"io"
	"net"
	"time"
)

// firstRead is what most ClientHellos fit into, in bytes.
const firstRead = 2 << 10

// errGone is a client that has closed without a word, as the health checks of
// balancers do.
var errGone = errors.New("the client has sent nothing")

// peek reads a ClientHello off a connection. What has come is in hello.raw, whatever
// the error: errGone, errNotTLS, what is wrong with the hello, or the connection's.
func peek(c net.Conn, timeout time.Duration) (*hello, error) {
	if timeout > 0 {
		_ = c.SetReadDeadline(time.Now().Add(timeout)) // fails on a closed connection only
		defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	}
	h := &hello{raw: make([]byte, 0, firstRead)}
	for {
		if len(h.raw) == cap(h.raw) {
			h.raw = append(make([]byte, 0, min(4*cap(h.raw), maxRecords)), h.raw...)
		}
		n, err := c.Read(h.raw[len(h.raw):cap(h.raw)])
		h.raw = h.raw[:len(h.raw)+n]
		if n > 0 {
			if err := h.next(); !errors.Is(err, errShort) {
				return h, err
			}
		}
		switch {
		case errors.Is(err, io.EOF) && len(h.raw) == 0:
			return h, errGone
		case errors.Is(err, io.EOF):
			return h, io.ErrUnexpectedEOF
		case err != nil:
			return h, err
		}
	}
}

// Alerts of TLS (RFC 8446 section 6.2).
const (
	alertDecodeError      = 50
	alertUnrecognizedName = 112
)

// alert tells a client that spoke TLS why its connection is closed.
func alert(c net.Conn, what byte) {
	_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // it fits into an empty buffer
	_, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, what})     // there is nobody else to tell
}

// replayed is a connection of which something was read before.
type replayed struct {
	net.Conn
	early []byte
}

// Read reads what was read before first.
func (c *replayed) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n, nil
}

// CloseWrite ends our direction only.
func (c *replayed) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn returns the connection beneath, for an engine that looks whether the
// client has gone. Reading from it would miss what was read before.
func (c *replayed) NetConn() net.Conn { return c.Conn }
