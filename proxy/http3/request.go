package http3

import (
	"io"
	"net/http"
	"time"
)

// ServeHTTP implements http.Handler for the requests that quic-go has read. The
// request stays the one that quic-go knows, which puts the trailers into it.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	c.serve()
	defer c.served()
	if !s.settleBody(rw, r) || !s.settleEarly(c, r) {
		panic(http.ErrAbortHandler)
	}
	if r.Method == http.MethodConnect && r.Proto != version {
		r.Header[":protocol"] = []string{r.Proto} // RFC 9220 section 3, where net/http has it
	}
	s.handler(rw, r, c.client())
}

// version is what quic-go calls the protocol of a request, unless that is an extended
// CONNECT.
const version = "HTTP/3.0"

// bodiless reports whether a request with the method means nothing by a body (RFC
// 9110 section 9.3).
func bodiless(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodDelete:
		return true
	}
	return false
}

// settleBody finds out whether a body follows. The head does not say so in HTTP/3,
// only the end of the stream does, which clients send along with the head: so it is
// waited for where a body would be out of the ordinary. Elsewhere the length is
// left unknown, since a client may well want to be answered first. It reports false
// when the client went away or takes too long.
func (s *Server) settleBody(rw http.ResponseWriter, r *http.Request) bool {
	b := &body{ReadCloser: r.Body}
	r.Body = b
	if r.ContentLength < 0 && bodiless(r.Method) {
		d, limited := rw.(interface{ SetReadDeadline(time.Time) error })
		if limited {
			_ = d.SetReadDeadline(time.Now().Add(s.patience)) // fails on a closed connection only
		}
		if err := b.look(); err == io.EOF { //nolint:errorlint // look returns io.EOF itself
			r.ContentLength = 0
		} else if err != nil {
			return false
		}
		if limited {
			_ = d.SetReadDeadline(time.Time{}) // fails on a closed connection only
		}
	}
	if r.ContentLength == 0 {
		r.Body = http.NoBody
	}
	return true
}

// settleEarly has a request wait until it can't be a replay, where that matters
// (RFC 8470 section 3). It reports false when the handshake fails, as that of a
// replay does.
func (s *Server) settleEarly(c *conn, r *http.Request) bool {
	if !s.early {
		return true
	}
	select {
	case <-c.quic.HandshakeComplete():
		return true
	default:
	}
	if c.proven && !c.borrowed.Load() && r.Body == http.NoBody && harmless(r.Method) {
		r.Header["Early-Data"] = []string{"1"} // RFC 8470 section 5.1
		return true
	}
	select {
	case <-c.quic.HandshakeComplete():
		return true
	case <-r.Context().Done():
		return false
	}
}

// harmless reports whether a request with the method may come twice and be
// forgotten (RFC 9110 section 9.2.1).
func harmless(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
