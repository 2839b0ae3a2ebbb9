package http1

import (
	"errors"
	"io"
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

// Forwarder is the half of the engine that faces instances. It works on the
// goroutine that calls it, except for request bodies that are not here yet. It
// implements proxy.Forwarder.
type Forwarder struct {
	slot int
	open func(*upstream.Endpoint) io.Closer
	room spaces
}

// NewForwarder returns a forwarder. It keeps its connections with the endpoints,
// which close them when they retire.
func NewForwarder(o ForwarderOptions) *Forwarder {
	return &Forwarder{slot: o.Slot, open: func(ep *upstream.Endpoint) io.Closer { return newPools(ep, o.Own) }}
}

// maxStale bounds the connections that one request may find dead before it has
// sent anything.
const maxStale = 4

// Forward implements proxy.Forwarder.
func (f *Forwarder) Forward(x *proxy.Exchange, ep *upstream.Endpoint) error {
	k, ok := x.Scratch.(*call)
	if !ok {
		k = newCall(f, x)
		x.Scratch = k // stays with the exchange, which is used again
	}
	k.begin(ep.LoadOrAttach(f.slot, f.open).(*pools).of(x.Route.TLSTo(ep)))
	for try := 1; ; try++ {
		fe := k.attempt()
		if fe == nil {
			return nil
		}
		k.finish(false)
		fe.Received = fe.Received || k.received // or the client's body was lost
		if !k.mayRepeat(fe, try) {
			return fe
		}
	}
}

// Done implements proxy.Forwarder.
func (f *Forwarder) Done(x *proxy.Exchange, complete bool) {
	if k, ok := x.Scratch.(*call); ok {
		k.finish(complete)
	}
}

// mayRepeat decides whether a connection that died while it was idle is to blame
// for the failure, and another one to the same instance may be tried. If nothing
// was sent it may. If the request was, it may only be sent again, once and on a
// connection that was not idle, when it is idempotent, all here, and within the
// budget.
func (k *call) mayRepeat(fe *proxy.ForwardError, try int) bool {
	if fe.Cause != proxy.Broke || fe.Received || !k.reused || k.streams {
		return false
	}
	if !fe.Sent {
		return try < maxStale
	}
	q := &k.x.Request
	if k.fresh || !k.whole || !q.Verb.Idempotent() || q.WebSocket || !k.x.Route.Pool.Retry(k.time()) {
		return false
	}
	k.fresh = true
	k.pool.closeIdle()
	return true
}

var (
	errHeadTimeout = errors.New("no response within the route's timeout")
	errIdle        = errors.New("the instance was silent for longer than the route's idle timeout")
	errClientGone  = errors.New("the client has gone")
)
