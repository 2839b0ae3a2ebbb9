package nethttp

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// conn is a connection to an instance that knows how many bytes have passed.
// Only that tells for sure whether a request may be sent once more: a connection
// that died while idle took none of it.
type conn struct {
	net.Conn
	born          time.Time
	read, written atomic.Int64
	// headEnd is the value of read at which the body of the present response
	// begins, 0 until that is known, and headUnknown once an interim response
	// came first.
	headEnd atomic.Int64
	// chunk says that data of a first chunk came together with the head.
	chunk atomic.Bool
	// call is who uses the connection now, nil while it is idle.
	call atomic.Pointer[call]

	writeBy time.Time   // the deadline that Write has set last, zero for none
	stalled atomic.Bool // it struck
}

// headUnknown says that the end of the head is not to be found out.
const headUnknown = -1

// Read counts, and looks for the end of the head: what came behind it can be
// read without waiting.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n <= 0 {
		return n, err
	}
	if c.headEnd.Load() == 0 {
		if i := bytes.Index(p[:n], headEnd); i >= 0 {
			i += len(headEnd)
			c.chunk.Store(holdsChunkData(p[i:n]))
			c.headEnd.CompareAndSwap(0, c.read.Load()+int64(i))
		}
	}
	c.read.Add(int64(n))
	return n, err
}

var headEnd = []byte("\r\n\r\n")

// holdsChunkData reports whether b, the beginning of a chunked body, holds a
// byte after the first chunk's size.
func holdsChunkData(b []byte) bool {
	i := bytes.IndexByte(b, '\n')
	return i >= 0 && i+1 < len(b)
}

// Write counts what the kernel took. An instance that takes nothing of a body for
// the route's idle time, give or take a quarter, is not waited for.
func (c *conn) Write(p []byte) (written int, err error) {
	for {
		c.arm()
		n, err := c.Conn.Write(p[written:])
		n = max(0, n)
		c.written.Add(int64(n))
		written += n
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
		if n == 0 || !c.resumes() {
			c.stalled.Store(true)
			return written, err
		}
	}
}

// resumes reports whether one can go on writing after a deadline.
func (c *conn) resumes() bool {
	_, secure := c.Conn.(*tls.Conn)
	return !secure
}

// arm sets the deadline for a Write. One that is left over does no harm once
// there is a body no more.
func (c *conn) arm() {
	k := c.call.Load()
	if k == nil || k.upload == nil || k.idle <= 0 {
		if !c.writeBy.IsZero() {
			c.writeBy = time.Time{}
			_ = c.SetWriteDeadline(c.writeBy) // fails on a closed connection only
		}
		return
	}
	if now := time.Now(); c.writeBy.Sub(now) < k.idle-k.idle/4 {
		c.writeBy = now.Add(k.idle)
		_ = c.SetWriteDeadline(c.writeBy) // fails on a closed connection only
	}
}

// Close closes the connection, and ends the wait for a client whose upload has
// nowhere to go any more: net/http waits for that before it reports anything.
func (c *conn) Close() error {
	err := c.Conn.Close()
	if k := c.call.Load(); k != nil && k.upload != nil {
		k.upload.interrupt()
	}
	return err
}

// CloseWrite ends our direction only.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Conn.Close()
}

// begin makes the connection ready for the next response.
func (c *conn) begin(k *call) {
	c.headEnd.Store(0)
	c.chunk.Store(false)
	c.call.Store(k)
}

// ahead returns how many bytes of the body have been read from the kernel.
func (c *conn) ahead() int64 {
	at := c.headEnd.Load()
	if at <= 0 {
		return 0
	}
	return c.read.Load() - at
}
