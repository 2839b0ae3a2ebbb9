package nethttp

import (
	"errors"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// H2Forwarder speaks HTTP/2 to instances: by prior knowledge (RFC 9113 section 3.3)
// in clear, by ALPN where there is TLS. One connection carries many exchanges at a
// time. It implements proxy.Forwarder, and sets the exchange's Upstream.
type H2Forwarder struct {
	slot int
	open func(*upstream.Endpoint) io.Closer
}

// NewH2Forwarder returns a forwarder. It keeps its connections with the endpoints,
// which close them when they retire.
func NewH2Forwarder(o ForwarderOptions) *H2Forwarder {
	return &H2Forwarder{slot: o.Slot, open: func(ep *upstream.Endpoint) io.Closer { return newWays(ep, o.Own, newMuxPool) }}
}

// Forward implements proxy.Forwarder. A request that an instance has not looked at,
// because it was closing the connection, is sent to it once more on another one
// (RFC 9113 section 6.8). One that it refuses is the pipeline's to send elsewhere.
func (f *H2Forwarder) Forward(x *proxy.Exchange, ep *upstream.Endpoint) error {
	p := ep.LoadOrAttach(f.slot, f.open).(*ways[*muxPool]).of(x.Route.TLSTo(ep))
	x.Upstream = proxy.HTTP2
	x.KeepBody()
	for try := 1; ; try++ {
		left, bounded := x.Remaining()
		if bounded && left <= 0 {
			return &proxy.ForwardError{Cause: proxy.TimedOut, Err: errHeadTimeout}
		}
		c := newMuxCall(x, p.way)
		c.begin(left, bounded)
		err := c.carry(p)
		if err == nil {
			return nil
		}
		if c.upload != nil {
			c.upload.takeBack() // what is lost of the client's body is known then
		}
		fe := c.fault(err)
		c.finish()
		if try < maxStale && c.mux != nil && fe.Cause == proxy.Broke && !fe.Sent && !fe.Received &&
			unprocessed(err) != refused && x.Rewind() {
			continue
		}
		return fe
	}
}

// Done implements proxy.Forwarder, as Forwarder.Done does.
func (f *H2Forwarder) Done(x *proxy.Exchange, complete bool) { done(x, complete) }

// carry takes a place on a connection, sends the request and accepts the response.
func (c *call) carry(p *muxPool) (err error) {
	if c.mux, err = p.take(c.ctx, c.x.Route.ConnectTimeout); err != nil {
		return err
	}
	resp, err := c.send()
	if err != nil {
		return err
	}
	return c.accept(resp)
}

// hangUp stops waiting for a client whose request has got its response, or none, for
// good.
func (c *call) hangUp() {
	if c.many && c.upload != nil {
		c.upload.interrupt()
	}
}

// bodiless reports whether a response by HTTP/2 ends with its head.
func bodiless(x *proxy.Exchange, resp *http.Response) bool {
	return resp.ContentLength == 0 || x.Request.Verb == proxy.MethodHead ||
		resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified
}

// buildMux puts into the header what is particular to HTTP/2. Its TE field may say
// that trailers are welcome, and nothing else (RFC 9113 section 8.2.2). Servers of
// gRPC want to be told.
func (c *call) buildMux(h http.Header) {
	c.url.Scheme = "http"
	if c.way.tls != nil {
		c.url.Scheme = "https"
	}
	if f := &c.x.Request.Fields; f.HasToken(proxy.TE, "trailers") || isGRPC(f.Get(proxy.ContentType)) {
		h["Te"] = []string{"trailers"}
	}
}

// isGRPC reports whether a media type is one of gRPC's.
func isGRPC(mediaType []byte) bool {
	const prefix = "application/grpc"
	return len(mediaType) >= len(prefix) && string(mediaType[:len(prefix)]) == prefix
}

// moreMux is more for a request with a body, by HTTP/2. That an instance takes
// nothing of it, by the windows that it grants, shows only in that nobody comes for
// more.
func (c *call) moreMux() time.Duration {
	most := c.x.Route.Timeout
	if c.inBody.Load() {
		most = c.idle
	}
	if most <= 0 {
		most = math.MaxInt64
	}
	if at := c.sentAt.Load(); at != nil {
		return most - time.Since(*at)
	}
	if c.idle <= 0 {
		return most
	}
	return min(most, c.idle-c.upload.unasked())
}

// stalled reports whether the instance takes nothing of the request.
func (c *call) stalled() bool {
	return c.upload != nil && c.sentAt.Load() == nil && c.idle > 0 && c.upload.unasked() >= c.idle
}

// refusal says whether an instance has looked at a request that failed.
type refusal uint8

const (
	// processed: it may have.
	processed refusal = iota
	// refused: it has not, and does not want it (RFC 9113 section 8.7).
	refused
	// closing: it has not, because it closes the connection (section 6.8).
	closing
)

// unprocessed tells what an error of the transport's says of that.
func unprocessed(err error) refusal {
	if s, ok := errors.AsType[streamReset](err); ok && s.Code == refusedStream {
		return refused
	}
	if err != nil && err.Error() == goneAway {
		return closing
	}
	return processed
}

// refusedStream is the error code of that name (RFC 9113 section 7).
const refusedStream = 0x7

// goneAway is all that net/http tells of a stream beyond the last one that a GOAWAY
// frame promises to look at: the error has no type. A test holds it to that.
const goneAway = "http2: Transport received Server's graceful shutdown GOAWAY"

// streamReset is what net/http makes of its own error for whoever asks for one of
// this shape: a stream that the instance has reset.
type streamReset struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error implements error.
func (s streamReset) Error() string { return "the instance reset the stream" }
