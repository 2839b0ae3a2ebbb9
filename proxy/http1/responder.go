package http1

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/lictor/lictor/proxy"
)

// responder writes the answer to one exchange. It implements proxy.Responder.
type responder struct {
	w      *work
	x      *proxy.Exchange
	out    []byte // written and not sent
	vec    net.Buffers
	pieces [3][]byte
	moves  relay

	fr      framing // of the response
	left    int64   // of a response with a length
	hasBody bool    // the request has a body
	aborted bool
	last    bool // the connection ends with this answer
	failed  error

	// mu keeps heads apart: the first read of a body, which is what tells the
	// client to go on, may come on another goroutine than the answer. It is
	// taken only when the client expects to be told.
	mu       sync.Mutex
	expects  bool // the client waits for 100 (Continue), or did
	expected bool // it still does
	headOut  bool

	ctx       context.Context // lives as long as the exchange does; nil until asked for
	cancelCtx context.CancelFunc
}

// begin makes w ready for the request that w.w.fr was parsed from.
func (w *responder) begin(hasBody bool) {
	w.out = w.out[:0]
	w.fr, w.left = framing{}, 0
	w.hasBody, w.aborted, w.last, w.failed = hasBody, false, false, nil
	w.expects = w.w.fr.expect
	w.expected, w.headOut = w.expects, false
	w.x.W, w.x.Conn = w, w.w.c.peer
}

// end tells who still listens that the exchange is over.
func (w *responder) end() {
	if w.cancelCtx != nil {
		w.w.c.cancel.Store(nil)
		w.cancelCtx()
		w.ctx, w.cancelCtx = nil, nil
	}
}

// lock takes mu if there may be another head.
func (w *responder) lock() {
	if w.expects {
		w.mu.Lock()
	}
}

func (w *responder) unlock() {
	if w.expects {
		w.mu.Unlock()
	}
}

// Interim implements proxy.Responder. HTTP/1.0 knows no interim responses (RFC
// 9110 section 15.2).
func (w *responder) Interim(status int, f *proxy.Fields) error {
	w.lock()
	defer w.unlock()
	if w.headOut || w.x.Request.Protocol < proxy.HTTP11 || status < 100 || status > 199 || status == 101 {
		return nil
	}
	if status == 100 {
		w.expected = false
	}
	w.out = appendInterim(w.out, status, f)
	return w.flush()
}

// proceed tells a client that waits for it to send its body (RFC 9110 section
// 10.1.1).
func (w *responder) proceed() {
	if !w.expects {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.expected && !w.headOut {
		w.expected = false
		_ = w.w.c.write(goOn) // the read that follows fails too
	}
}

var goOn = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// Head implements proxy.Responder.
func (w *responder) Head(r *proxy.Response) error {
	w.lock()
	defer w.unlock()
	w.headOut = true
	if r.Status == 101 {
		return nil // Tunnel writes it
	}
	c := w.w.c
	w.last = w.w.fr.close || c.s.leaving.Load() || w.closesEarly(r)
	w.out, w.fr = appendResponse(w.out, &w.x.Request, r, *c.s.date.Load(), w.last)
	w.last = w.fr.close
	w.left = w.fr.length
	return nil
}

// closesEarly decides that the connection ends with this answer because the rest
// of the request can't be had, or only by reading it all in vain: the client
// waits to be told to send it; or the instance answers before it has everything,
// and may want the rest still; or it is too much.
func (w *responder) closesEarly(r *proxy.Response) bool {
	if !w.hasBody || !w.w.b.unfinished() {
		return false
	}
	return r.Body != nil || w.expected || w.w.b.lost() || w.w.c.stopped.Load() || w.w.fr.length > maxDrain
}

var (
	errTooLong  = errors.New("the body is longer than its head says")
	errTooShort = errors.New("the body is shorter than its head says")
)

// Body implements proxy.Responder.
func (w *responder) Body(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	switch w.fr.end {
	case noBody:
		return nil
	case byChunks:
		return w.chunk(p)
	case byLength:
		if w.left -= int64(len(p)); w.left < 0 {
			return errTooLong
		}
	}
	if len(w.out)+len(p) <= cap(w.out) {
		w.out = append(w.out, p...)
	} else if err := w.send(p, nil); err != nil {
		return err
	}
	if w.fr.end == byLength && w.left >= relayFrom {
		return w.relay()
	}
	return nil
}

func (w *responder) chunk(p []byte) error {
	if len(w.out)+len(p)+maxChunkHead <= cap(w.out) {
		w.out = appendChunk(w.out, p)
		return nil
	}
	w.out = appendChunkHead(w.out, len(p))
	return w.send(p, lineEnd)
}

var lineEnd = []byte("\r\n")

// send sends what has been written, and p, and end.
func (w *responder) send(p, end []byte) error {
	err := w.failed
	if err == nil {
		w.pieces[0], w.pieces[1], w.pieces[2] = w.out, p, end
		err = w.w.c.writeAll(&w.vec, &w.pieces)
		clear(w.pieces[:])
	}
	w.out = w.out[:0]
	return w.fault(err)
}

// fault remembers a failure: nothing can be sent after it.
func (w *responder) fault(err error) error {
	if err == nil {
		return nil
	}
	w.failed = err
	return fmt.Errorf("writing to the client: %w", err)
}

// Flush implements proxy.Responder.
func (w *responder) Flush() error { return w.flush() }

func (w *responder) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	err := w.failed
	if err == nil {
		err = w.w.c.write(w.out)
	}
	w.out = w.out[:0]
	return w.fault(err)
}

// End implements proxy.Responder. A trailer that the framing has no place for
// is dropped (RFC 9110 section 6.5.1).
func (w *responder) End(trailer *proxy.Fields) error {
	switch w.fr.end {
	case byChunks:
		w.out = appendLastChunk(w.out, trailer)
	case byLength:
		if w.left > 0 {
			return errTooShort
		}
	}
	return w.flush()
}

// Abort implements proxy.Responder. What has been written goes out before the
// connection is closed.
func (w *responder) Abort() {
	w.aborted = true
	_ = w.flush() // the connection ends anyway
}

// StopBody makes whoever waits for the client's body give up at once.
func (w *responder) StopBody() { w.w.c.stopBody() }

// Context implements proxy.Responder. It serves other engines; ours is woken
// without one.
func (w *responder) Context() context.Context {
	if w.ctx == nil {
		ctx, cancel := context.WithCancel(context.Background())
		w.ctx, w.cancelCtx = ctx, cancel
		w.w.c.cancel.Store(&cancel)
		if w.isGone() {
			w.cancelCtx()
		}
	}
	return w.ctx
}

// isGone reports whether the client is known to have gone.
func (w *responder) isGone() bool {
	c := w.w.c
	return c.gone.Load() == c.seq.Load()
}
