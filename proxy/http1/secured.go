package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// secured is TLS over a connection to an instance. What is particular to it lies
// below, between TLS and the socket: TLS takes a write that was cut short for the
// end, so a deadline that strikes is asked about there; and only there it can be
// told whether TLS has something left that nobody asked for.
type secured struct {
	*tls.Conn
	sock *below
	one  [1]byte
}

// handshake speaks TLS on a connection, and closes it when that fails.
func (p *pool) handshake(ctx context.Context, nc net.Conn) (*secured, error) {
	target := p.ep.Target()
	host, _, err := net.SplitHostPort(target)
	if err != nil || strings.HasPrefix(target, unixPrefix) {
		host = "localhost"
	}
	config := p.tls.ClientConfig(host)
	config.DynamicRecordSizingDisabled = true // for browsers, which are far away
	s := &secured{sock: &below{Conn: nc}}
	s.sock.now.init(nc)
	s.Conn = tls.Client(s.sock, config)
	if err := s.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", target, err)
	}
	return s, nil
}

// quiet reports whether an idle connection may be used again, as rawClient.quiet
// does. What belongs to TLS alone, such as a ticket, is taken on the way.
func (s *secured) quiet() bool {
	s.sock.peeking = true
	n, err := s.Read(s.one[:])
	s.sock.peeking = false
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && s.sock.records.whole()
}

// leave closes a connection on which nothing is under way. It says so, as TLS
// wants it, but waits for nobody.
func (s *secured) leave() {
	s.sock.leaving = true
	_ = s.Close() // there is nobody to hear of it
}

// below is the connection below TLS.
type below struct {
	net.Conn
	records records
	now     nowaiting
	peeking bool // reads don't wait
	leaving bool // writes don't
	// stalled decides whether a write that was broken off after n bytes is to go
	// on; then it returns nil. It is that of whoever writes at present.
	stalled func(n int, err error) error
}

// Read implements net.Conn.
func (b *below) Read(p []byte) (n int, err error) {
	if b.peeking {
		n, err = b.now.read(p)
	} else {
		n, err = b.Conn.Read(p)
	}
	b.records.pass(p[:max(0, n)])
	return n, err
}

// Write implements net.Conn.
func (b *below) Write(p []byte) (n int, err error) {
	if b.leaving {
		return b.now.write(p)
	}
	for {
		m, err := b.Conn.Write(p[n:])
		n += m
		if err == nil || b.stalled == nil {
			return n, err
		}
		if err = b.stalled(m, err); err != nil {
			return n, err
		}
	}
}

// records follows the stream of TLS records (RFC 8446 section 5.1).
type records struct {
	head [5]byte
	have int // of head
	left int // of the record
}

func (r *records) pass(p []byte) {
	for len(p) > 0 {
		if r.left > 0 {
			n := min(r.left, len(p))
			r.left -= n
			p = p[n:]
			continue
		}
		n := copy(r.head[r.have:], p)
		r.have += n
		p = p[n:]
		if r.have == len(r.head) {
			r.have, r.left = 0, int(r.head[3])<<8|int(r.head[4])
		}
	}
}

// whole reports whether the last record has passed to its end.
func (r *records) whole() bool { return r.have == 0 && r.left == 0 }
