package nethttp

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// watched is a client's connection whose frames are counted, if it speaks HTTP/2.
// net/http bounds what one connection may hold at a time: streams, the sizes of
// heads, queued answers. What it leaves open is how much work a client makes that
// brings no request any further (CVE-2023-44487 among it); the bound on that is
// here.
type watched struct {
	net.Conn
	tls      *tls.ConnectionState // nil in clear
	flooding func(frame)          // is told of the frame that was too much, once

	preface prefaced // the reader's
	in      frames   // likewise
	out     frames   // under mu
	mu      sync.Mutex
	credit  credit // under account
	account sync.Mutex
	on      atomic.Bool // the preface was seen
	// unlimited says that no frames are counted, any more or at all; the reader's.
	unlimited bool

	box *outbox // what goes out by HTTP/2
}

// goodbye bounds how long a client that is thrown out may take to be told why.
const goodbye = time.Second

var errFlooding = errors.New("the client sends too many frames that bring no request any further")

// watch returns a connection of which most frames may be wasted ahead of useful
// ones, any number if that is 0, and whose client may take nothing for some time, 0
// for ever.
func watch(c net.Conn, most int, within time.Duration, flooding func(frame)) *watched {
	w := &watched{Conn: c, flooding: flooding, credit: newCredit(most, time.Now()), box: newOutbox(c, within)}
	w.unlimited = most == 0
	if t, ok := c.(*tls.Conn); ok {
		state := t.ConnectionState()
		w.tls = &state
	}
	return w
}

// Read reads, and fails when the client has wasted too many frames.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n <= 0 || w.preface.other || w.unlimited && w.on.Load() {
		return n, err
	}
	rest, ok := w.preface.skip(p[:n])
	if !ok {
		return n, err
	}
	w.on.Store(true)
	for !w.unlimited {
		var f frame
		if f, rest, ok = w.in.next(rest); !ok {
			return n, err
		}
		w.account.Lock()
		fine := w.credit.received(f, time.Now)
		w.account.Unlock()
		if !fine {
			w.throwOut(f)
			return 0, errFlooding
		}
	}
	return n, err
}

// Write looks at what is to be written, and writes it: a client may have answered a
// frame before who has written it goes on. What can't be written is no client's gain,
// since the connection ends.
func (w *watched) Write(p []byte) (int, error) {
	if !w.on.Load() {
		return w.Conn.Write(p) // HTTP/1: of HTTP/2 nothing is written before the preface was read
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; ; {
		var f frame
		var ok bool
		if f, rest, ok = w.out.next(rest); !ok {
			break
		}
		w.account.Lock()
		w.credit.sent(f, time.Now) // if that was too much, the client's next frame fails
		w.account.Unlock()
	}
	return w.box.write(p)
}

// throwOut tells the client why (RFC 9113 section 6.8), if that can be said at
// once.
func (w *watched) throwOut(f frame) {
	w.unlimited = true
	w.flooding(f)
	if !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	if w.out.between() {
		w.box.hurry()
		_, _ = w.box.write(goAway(enhanceYourCalm)) // it is of no use to whoever has gone
	}
}

// Errors that a connection ends with (RFC 9113 section 7).
const (
	enhanceYourCalm    = 0xb
	inadequateSecurity = 0xc
)

// goAway returns a GOAWAY frame that lets the streams stand as they are.
func goAway(code byte) []byte {
	return []byte{0, 0, 8, frameGoAway, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, code}
}

// Close closes the connection once what was written has been sent.
func (w *watched) Close() error { return w.box.close() }

// NetConn returns the connection beneath, for whoever judges a client by it.
func (w *watched) NetConn() net.Conn { return w.Conn }

// CloseWrite ends our direction only.
func (w *watched) CloseWrite() error {
	if c, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// adequate reports whether HTTP/2 may be spoken by the connection's way of TLS
// (RFC 9113 section 9.2.2), and tells the client if not. The listener's least
// version of TLS is seen to by its configuration.
func (w *watched) adequate() bool {
	if w.tls == nil || w.tls.Version > tls.VersionTLS12 {
		return true
	}
	switch w.tls.CipherSuite {
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
		return w.tls.Version == tls.VersionTLS12
	}
	if w.SetWriteDeadline(time.Now().Add(goodbye)) == nil {
		settings := make([]byte, frameHead)
		settings[3] = frameSettings
		_, _ = w.Conn.Write(append(settings, goAway(inadequateSecurity)...)) // it is of no use to whoever has gone
	}
	return false
}
