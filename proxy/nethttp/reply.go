package nethttp

import (
	"io"
	"net/http"

	"github.com/lictor/lictor/proxy"
)

// reply is the body of an instance's response. It implements proxy.Body and
// owns the call.
type reply struct {
	c      *call
	resp   *http.Response
	buf    *buffer
	length int64 // Unknown for a chunked one
	taken  int64
	err    error // what comes after the bytes that were returned last
}

func newReply(c *call, resp *http.Response) *reply {
	return &reply{c: c, resp: resp, length: resp.ContentLength}
}

// Next implements proxy.Body. Its errors are of type *proxy.ForwardError.
func (r *reply) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.buf == nil {
		r.buf = buffers.Get().(*buffer)
	}
	ready := r.Ready()
	if !ready {
		r.c.wait()
	}
	n, err := r.resp.Body.Read(r.buf[:])
	if !ready {
		r.c.waited()
	}
	r.taken += int64(n)
	switch {
	case err == nil:
		if r.answersEarly() {
			r.err = io.EOF
		}
		return r.buf[:n], nil
	case err == io.EOF:
		r.err = io.EOF
	default:
		r.err = r.c.fault(err)
	}
	if n > 0 {
		return r.buf[:n], nil
	}
	return nil, r.err
}

// answersEarly reports whether an instance of HTTP/2 has sent all of an answer to a
// request that is still coming. It may not say so before the request has ended, and
// the transport sends no more of that.
func (r *reply) answersEarly() bool {
	c := r.c
	return c.many && r.length >= 0 && r.taken == r.length && len(r.resp.Trailer) == 0 && c.upload != nil && !c.upload.ended()
}

// Ready implements proxy.Body. What came with the head can be had at once, so
// that a small response is written to the client with its head.
func (r *reply) Ready() bool {
	switch c := r.c.conn; {
	case r.err == io.EOF: //nolint:errorlint // it is stored bare
		return true
	case r.err != nil || c == nil:
		return false // before an abort, what there is should get to the client
	case r.length >= 0:
		return c.ahead() > r.taken
	default:
		return r.taken == 0 && c.chunk.Load() && c.headEnd.Load() > 0 && r.resp.TransferEncoding != nil
	}
}

// Trailer implements proxy.Body.
func (r *reply) Trailer() *proxy.Fields {
	if len(r.resp.Trailer) == 0 {
		return nil
	}
	return trailing(r.resp.Trailer)
}

// done ends the call. The transport has the connection back already if the
// body was read to its end, and closes it otherwise.
func (r *reply) done(bool) {
	r.c.hangUp()
	r.resp.Body.Close()
	r.c.finish()
	if r.buf != nil {
		buffers.Put(r.buf)
		r.buf = nil
	}
}
