package http1

import (
	"io"

	"github.com/lictor/lictor/proxy"
)

// Sizes of the buffers that an exchange holds from its beginning to its end, in
// bytes. A slow one holds them for long, so they are not larger than what is in
// most of them: heads, and what comes or goes with one.
const (
	inSize    = 8 << 10  // what comes from the client
	outSize   = 4 << 10  // to the client
	upOutSize = 4 << 10  // to the instance
	upInSize  = 16 << 10 // from it

	// keptSize bounds a buffer that had to grow and is kept grown.
	keptSize = 32 << 10
)

// work is what a connection needs while a request is served, or a part of its
// head is here.
type work struct {
	x    proxy.Exchange
	c    *conn
	b    body
	w    responder
	fr   framing // of the request
	scan headScan
	head int // length of the parsed head

	in   []byte // in[r:n] was received and not used up
	r, n int
	in0  [inSize]byte
	out0 [outSize]byte
}

func newWork() *work {
	w := new(work)
	w.in = w.in0[:]
	w.w.w, w.w.x = w, &w.x
	w.w.out = w.out0[:0]
	return w
}

// reset makes w fit for another connection.
func (w *work) reset() {
	w.c, w.x.Conn, w.x.W = nil, nil, nil
	w.forgetRequest()
	w.r, w.n = 0, 0
	if len(w.in) > keptSize {
		w.in = w.in0[:]
	}
	w.scan = headScan{}
	if cap(w.w.out) > keptSize {
		w.w.out = w.out0[:]
	}
	w.w.out = w.w.out[:0]
}

// forgetRequest makes everything unknown that a client says.
func (w *work) forgetRequest() {
	q := &w.x.Request
	q.Method, q.Verb, q.Target, q.Path, q.Query, q.HasQuery, q.Host = nil, proxy.MethodOther, nil, nil, nil, false, nil
	q.Protocol, q.Length, q.Body, q.WebSocket = proxy.HTTP11, 0, nil, false
	q.Fields.Reset(nil)
}

// makeRoom lets at least one more byte of a head be read, within the limit.
func (w *work) makeRoom(limit int) {
	if w.r == w.n {
		w.r, w.n = 0, 0
	}
	if w.n < len(w.in) {
		return
	}
	if w.r > 0 {
		w.n = copy(w.in, w.in[w.r:w.n])
		w.r = 0
		return
	}
	in := make([]byte, max(min(2*len(w.in), limit), len(w.in)+1))
	copy(in, w.in)
	w.in = in
}

// putBack makes p, which lay behind a body, the next bytes to be looked at.
func (w *work) putBack(p []byte) {
	if len(p) > len(w.in) {
		w.in = make([]byte, len(p))
	}
	w.r, w.n = 0, copy(w.in, p)
}

// fill implements source, for the body of a request.
func (w *work) fill(p []byte) (int, error) {
	c := w.c
	w.w.proceed()
	if c.lingers {
		c.setReadDeadline(c.s.now(), lingering)
	} else {
		c.setReadDeadline(c.s.now(), idleOf(&w.x))
	}
	if c.stopped.Load() || c.s.closed.Load() {
		return 0, &proxy.ForwardError{Cause: proxy.ClientGone, Err: errStopped}
	}
	n, err := c.nc.Read(p)
	for n == 0 && err == nil {
		n, err = c.nc.Read(p)
	}
	if n > 0 {
		return n, nil
	}
	if err == io.EOF { //nolint:errorlint // net.Conn returns io.EOF itself
		return 0, io.EOF
	}
	if c.stopped.Load() {
		err = errStopped
	}
	return 0, &proxy.ForwardError{Cause: clientCause(err), Err: err}
}

// broken implements source.
func (w *work) broken(err error) error {
	return &proxy.ForwardError{Cause: clientCause(err), Err: err}
}

// spaces implements source.
func (w *work) spaces() *spaces { return &w.c.s.room }
