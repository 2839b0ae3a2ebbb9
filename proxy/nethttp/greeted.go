package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// greeted is a connection on which an instance is expected to speak HTTP/2. The
// first that it sends is a SETTINGS frame (RFC 9113 section 3.4), which says how
// many exchanges it takes at a time. Until that has been read and taken in, the
// connection carries nothing.
type greeted struct {
	net.Conn
	box   *outbox
	ready chan struct{} // closed when that is so, or it never will be
	err   error         // why; set before ready is closed

	// What follows is used on the goroutine that reads.
	head  [9]byte
	have  int // of head
	left  int // of the frame behind it
	state uint8
}

// The states of a greeted connection.
const (
	unheard uint8 = iota // the frame is not here
	heard                // it is, and who reads is at it
	over                 // ready is closed
)

var errNotHTTP2 = errors.New("the instance does not speak HTTP/2")

// Read passes the bytes on. Whoever asks for more has taken in what there was.
func (g *greeted) Read(p []byte) (int, error) {
	if g.state == heard {
		g.end(nil)
	}
	n, err := g.Conn.Read(p)
	if g.state == over {
		return n, err
	}
	if !g.follow(p[:max(0, n)]) {
		g.end(fmt.Errorf("%w: it began with %q", errNotHTTP2, g.head))
		return 0, errNotHTTP2
	}
	if err != nil && g.state == unheard {
		if err == io.EOF { //nolint:errorlint // connections return it bare
			err = io.ErrUnexpectedEOF
		}
		g.end(fmt.Errorf("waiting for the instance's settings: %w", err))
	}
	return n, err
}

// Write implements net.Conn.
func (g *greeted) Write(p []byte) (int, error) { return g.box.write(p) }

// Close closes the connection once what was written has been sent.
func (g *greeted) Close() error { return g.box.close() }

func (g *greeted) end(err error) {
	g.err, g.state = err, over
	close(g.ready)
}

// follow reports false when the bytes don't begin with a SETTINGS frame.
func (g *greeted) follow(p []byte) bool {
	n := copy(g.head[g.have:], p)
	g.have += n
	if g.have < len(g.head) || g.state != unheard {
		return true
	}
	if n > 0 { // the head is whole now
		const settings, ack = 0x4, 0x1
		g.left = int(g.head[0])<<16 | int(g.head[1])<<8 | int(g.head[2])
		stream := g.head[5] | g.head[6] | g.head[7] | g.head[8]
		if g.head[3] != settings || g.head[4]&ack != 0 || stream != 0 || g.left%6 != 0 {
			return false
		}
	}
	if g.left -= len(p) - n; g.left <= 0 {
		g.state = heard
	}
	return true
}
