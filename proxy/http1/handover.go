package http1

import (
	"crypto/tls"
	"net"
	"time"
)

// preface is what an HTTP/2 connection begins with (RFC 9113 section 3.4), as
// far as it looks like a head.
const preface = "PRI * HTTP/2.0\r\n\r\n"

// handshake makes a TLS connection of c if it has to be one. It reports false
// when the connection is not to be served here.
func (c *conn) handshake() bool {
	if c.s.tls == nil {
		return true
	}
	if t := c.s.o.ReadHeaderTimeout; t > 0 {
		if c.nc.SetDeadline(time.Now().Add(t)) != nil {
			return false
		}
	}
	t := tls.Server(c.nc, c.s.tls)
	if t.Handshake() != nil || t.SetDeadline(time.Time{}) != nil {
		return false
	}
	state := t.ConnectionState()
	switch state.NegotiatedProtocol {
	case "h2":
		c.handOver(t)
		return false
	case acmeALPN:
		_ = t.Close() // the handshake was the answer
		return false
	}
	if len(state.VerifiedChains) > 0 {
		c.shown = state.PeerCertificates[0]
	}
	c.secure = true
	c.nc = t
	return true
}

// acmeALPN is what an ACME server negotiates that only looks at the certificate (RFC
// 8737 section 4).
const acmeALPN = "acme-tls/1"

// takeOut hands the connection over with what was read from it.
func (c *conn) takeOut() {
	early := append([]byte(nil), c.w.in[c.w.r:c.w.n]...)
	c.release()
	c.handOver(&replayed{Conn: c.nc, early: early})
}

// handOver gives the connection to the engine for HTTP/2, and forgets it.
func (c *conn) handOver(nc net.Conn) {
	c.leave()
	c.taken = true
	if nc.SetDeadline(time.Time{}) != nil {
		nc.Close()
		c.s.o.Listener.Open.Add(-1)
		return
	}
	c.s.o.H2(nc)
}

// replayed is a connection of which something has been read already.
type replayed struct {
	net.Conn
	early []byte
}

// Read returns what was read already, then what comes.
func (r *replayed) Read(p []byte) (int, error) {
	if len(r.early) > 0 {
		n := copy(p, r.early)
		r.early = r.early[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// CloseWrite ends our direction only.
func (r *replayed) CloseWrite() error { return closeWrite(r.Conn) }
