package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// ForwarderOptions describe a Forwarder.
type ForwarderOptions struct {
	// Slot is the engine's place among an endpoint's connections, less than
	// upstream.Slots and no other forwarder's.
	Slot int
	// Own reports whether an address is one of the gateway's own listeners, as
	// catalog.Reach has it. Nil means that there are none.
	Own func(netip.AddrPort) bool
}

// Forwarder is the half of the engine that faces instances. It implements
// proxy.Forwarder.
type Forwarder struct {
	slot int
	open func(*upstream.Endpoint) io.Closer
}

// NewForwarder returns a forwarder. It keeps its connections with the endpoints,
// which close them when they retire.
func NewForwarder(o ForwarderOptions) *Forwarder {
	return &Forwarder{slot: o.Slot, open: func(ep *upstream.Endpoint) io.Closer { return newWays(ep, o.Own, newTransport) }}
}

// Forward implements proxy.Forwarder.
func (f *Forwarder) Forward(x *proxy.Exchange, ep *upstream.Endpoint) error {
	t := ep.LoadOrAttach(f.slot, f.open).(*ways[*transport]).of(x.Route.TLSTo(ep))
	for try := 1; ; try++ {
		left, bounded := x.Remaining()
		if bounded && left <= 0 {
			return &proxy.ForwardError{Cause: proxy.TimedOut, Err: errHeadTimeout}
		}
		c := newCall(x, t)
		c.begin(left, bounded)
		resp, err := c.send()
		if err == nil {
			err = c.accept(resp)
		}
		if err == nil {
			return nil
		}
		if c.upload != nil {
			c.upload.takeBack() // what is lost of the client's body is known then
		}
		fe := c.fault(err)
		c.finish()
		if c.stale(fe) && try < maxStale {
			continue
		}
		return fe
	}
}

// stale reports whether the call failed because the connection had died while
// it was idle. Nothing was sent, so the instance can be asked on another one,
// whatever the method.
func (c *call) stale(fe *proxy.ForwardError) bool {
	return fe.Cause == proxy.Broke && c.conn != nil && c.reused && !fe.Sent && !fe.Received &&
		(c.upload == nil || !c.upload.started)
}

var (
	errTooManyFields = fmt.Errorf("more than %d fields", proxy.MaxFields)
	errNotSwitched   = errors.New("101 response that switches to no protocol that was asked for")
)

// accept turns the head of a response into the exchange's. On success the call
// has been handed over to the body, or is finished.
func (c *call) accept(resp *http.Response) error {
	r := &c.x.Response
	f := &r.Fields
	f.Reset(nil)
	r.Body, r.Tunnel = nil, nil
	r.Status, r.Length = resp.StatusCode, resp.ContentLength
	if r.Status < http.StatusContinue {
		resp.Body.Close()
		return fmt.Errorf("status %03d", r.Status)
	}
	if !take(f, resp.Header) || !takeAnnounced(f, resp.Trailer) {
		resp.Body.Close()
		return errTooManyFields
	}
	f.DropNominated()
	if c.many && len(resp.Trailer) > 0 {
		r.Length = proxy.Unknown // a client of HTTP/1.1 gets trailers behind chunks only
	}
	switch {
	case r.Status == http.StatusSwitchingProtocols:
		stream, ok := resp.Body.(io.ReadWriteCloser)
		if !ok || !f.HasToken(proxy.UpgradeField, "websocket") {
			resp.Body.Close()
			return errNotSwitched
		}
		r.Tunnel = stream
		c.finish()
	case resp.Body == http.NoBody:
		c.finish()
	case c.many && bodiless(c.x, resp):
		c.hangUp()
		resp.Body.Close()
		c.finish()
	default:
		r.Body = newReply(c, resp)
	}
	return nil
}

// Done implements proxy.Forwarder. A step that puts a body of its own in front
// of the instance's must have a method Unwrap that returns the latter.
func (f *Forwarder) Done(x *proxy.Exchange, complete bool) { done(x, complete) }

func done(x *proxy.Exchange, complete bool) {
	b := x.Response.Body
	for {
		switch t := b.(type) {
		case *reply:
			t.done(complete)
			return
		case interface{ Unwrap() proxy.Body }:
			b = t.Unwrap()
		default:
			return // there was no body, and the call is finished
		}
	}
}
