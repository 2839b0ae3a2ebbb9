package nethttp

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lictor/lictor/proxy"
)

// defaultIdle bounds the wait for bytes of a request that no route has yet.
const defaultIdle = 60 * time.Second

// lingering is how long a client whose upload nobody wants may go on sending it:
// if that ends in time the connection is kept, and if not the client has at
// least had time to read the answer (RFC 9112 section 9.6).
const lingering = 5 * time.Second

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// idleOf returns how long the other side of a body may be silent, 0 for ever.
func idleOf(x *proxy.Exchange) time.Duration {
	if x.Route == nil {
		return defaultIdle
	}
	return x.Route.IdleTimeout
}

// deadlines is what net/http's response writers offer beside the interface, for
// one connection in HTTP/1.1 and one stream in HTTP/2.
type deadlines interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// body is the body of a client's request.
type body struct {
	x   *proxy.Exchange
	w   *responder
	r   *http.Request
	d   deadlines
	buf *buffer
	err error // what Next returns for good; whoever calls Next owns it

	whole  atomic.Bool // the end has been read
	broken atomic.Bool // and never will be

	mu      sync.Mutex
	armed   time.Time // when the deadline was set last
	stopped bool
}

func (b *body) begin(rw http.ResponseWriter, r *http.Request) {
	b.r = r
	b.d, _ = rw.(deadlines)
	b.err, b.armed, b.stopped = nil, time.Time{}, false
	b.whole.Store(false)
	b.broken.Store(false)
}

// end gives the body back to net/http, which drains the rest of it. After an
// abort there is no answer that the client should get to read.
func (b *body) end(aborted bool) {
	if b.buf != nil {
		buffers.Put(b.buf)
		b.buf = nil
	}
	if b.unfinished() && b.d != nil {
		until := time.Now().Add(lingering)
		if aborted {
			until = past
		}
		_ = b.d.SetReadDeadline(until) // fails on a closed connection only
	}
	b.r, b.d, b.err = nil, nil, nil
}

// unfinished reports whether there is something left to read. It may be asked
// while another goroutine is in Next: an instance may answer early.
func (b *body) unfinished() bool {
	return hasBody(b.r) && !b.whole.Load()
}

// Next implements proxy.Body. Its errors are of type *proxy.ForwardError.
func (b *body) Next() ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.buf == nil {
		b.buf = buffers.Get().(*buffer)
	}
	b.w.proceed()
	if !b.arm() {
		return nil, &proxy.ForwardError{Cause: proxy.ClientGone, Err: errStopped}
	}
	n, err := b.r.Body.Read(b.buf[:])
	if err == io.EOF {
		b.complete()
		b.err = io.EOF
	} else if err != nil {
		b.err = &proxy.ForwardError{Cause: clientCause(err), Err: err}
		b.broken.Store(true)
	}
	if n > 0 {
		return b.buf[:n], nil
	}
	if b.err == nil {
		return b.buf[:0], nil
	}
	return nil, b.err
}

var errStopped = errors.New("the request's body was cut short")

// arm lets the client be silent for the route's idle time from now, give or
// take a quarter. It reports false when the body has been stopped.
func (b *body) arm() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return false
	}
	idle := idleOf(b.x)
	if now := time.Now(); idle > 0 && b.d != nil && now.Sub(b.armed) > idle/4 {
		b.armed = now
		_ = b.d.SetReadDeadline(now.Add(idle)) // fails on a closed connection only
	}
	return true
}

// extend lets a client that listens be silent for another while: of two who talk
// (RFC 9113 section 5), the stream is idle only when both are silent. It may be
// called while another goroutine is in Next.
func (b *body) extend(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped || b.armed.IsZero() || b.whole.Load() {
		return
	}
	b.armed = now
	_ = b.d.SetReadDeadline(now.Add(idleOf(b.x))) // fails on a closed connection only
}

// complete takes the deadline away at the end of the body: net/http goes on
// reading, to notice when the client goes away.
func (b *body) complete() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole.Store(true)
	if !b.armed.IsZero() && b.d != nil {
		_ = b.d.SetReadDeadline(time.Time{}) // fails on a closed connection only
	}
}

// stop makes a Next that waits for the client return at once, and all later
// ones. The rest of the body is lost, and an HTTP/1 connection with it: net/http
// takes the deadline for the end of the client. It does nothing once the body has
// been read.
func (b *body) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.whole.Load() {
		return
	}
	b.stopped = true
	if b.d != nil {
		_ = b.d.SetReadDeadline(past) // fails on a closed connection only
	}
}

// isLost reports whether the rest of the body can't be had.
func (b *body) isLost() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopped || b.broken.Load()
}

// Ready implements proxy.Body.
func (b *body) Ready() bool { return b.err != nil }

// Trailer implements proxy.Body.
func (b *body) Trailer() *proxy.Fields { return trailing(b.r.Trailer) }

// clientCause says whose fault a failed read from the client is.
func clientCause(err error) proxy.Cause {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return proxy.ClientSlow
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrBodyReadAfterClose) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return proxy.ClientGone
	}
	return proxy.ClientBad
}
