package http1

import (
	"net"
	"time"
)

// setReadDeadline bounds the next wait for the client; 0 means no bound.
func (c *conn) setReadDeadline(now, within time.Duration) {
	if t, moved := c.readBy.move(now, within); moved {
		_ = c.nc.SetReadDeadline(t) // fails on a closed connection only
	}
}

// setWriteDeadline lets the client take nothing for the route's idle time.
func (c *conn) setWriteDeadline() {
	if t, moved := c.writeBy.move(c.s.now(), idleOf(&c.w.x)); moved {
		_ = c.nc.SetWriteDeadline(t) // fails on a closed connection only
	}
}

// write sends p.
func (c *conn) write(p []byte) error {
	p, err := c.raw.write(p)
	if err != nil || len(p) == 0 {
		return err
	}
	c.setWriteDeadline()
	_, err = c.nc.Write(p)
	return err
}

// writeAll sends three pieces, as one if possible.
func (c *conn) writeAll(vec *net.Buffers, p *[3][]byte) error {
	c.setWriteDeadline()
	*vec = p[:]
	_, err := vec.WriteTo(c.nc)
	return err
}

// reset makes closing the connection tell the client that something went wrong.
func reset(nc net.Conn) {
	if t, ok := nc.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0) // fails on a closed connection only
	}
}
