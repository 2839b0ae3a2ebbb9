package http1

import (
	"net"
	"time"
)

const (
	// lingering is how long a client whose upload nobody wants may go on sending
	// it, and maxDrain how much of it is taken, if the connection is to be kept.
	lingering = 5 * time.Second
	maxDrain  = 256 << 10
	// farewell is how long a client may go on sending on a connection that is
	// being closed.
	farewell = 500 * time.Millisecond
)

// linger closes our direction and waits for the client to close its own. To
// close a connection that has unread bytes resets it, and a reset takes the
// answer away from a client that has not read it yet (RFC 9112 section 9.6).
func linger(nc net.Conn, p []byte) {
	w, ok := nc.(interface{ CloseWrite() error })
	if !ok || w.CloseWrite() != nil || nc.SetReadDeadline(time.Now().Add(farewell)) != nil {
		return
	}
	for {
		if _, err := nc.Read(p); err != nil {
			return
		}
	}
}

// drain reads the rest of a body that nobody wanted, so that the next request
// can be found. It reports false when that is too much or takes too long.
func (c *conn) drain() bool {
	b := &c.w.b
	until := c.s.now() + lingering
	for n := 0; n <= maxDrain; {
		if !b.decode() {
			if c.s.now() > until {
				return false
			}
			c.lingers = true
			err := b.more()
			c.lingers = false
			if err != nil {
				return false
			}
			continue
		}
		if b.data == nil {
			return !b.unfinished()
		}
		n += len(b.data)
		b.data = nil
	}
	return false
}
