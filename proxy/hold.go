package proxy

import (
	"github.com/lictor/lictor/limits"
)

// held is what an exchange holds of a limiter of what is in flight.
type held struct {
	by   limits.Holder
	hold limits.Hold
}

// Hold notes what a step has begun for the exchange. It ends with the exchange,
// however that ends, exactly once: when the instance's body has been passed on, a
// tunnel has closed, the client has gone, or a step has panicked.
func (x *Exchange) Hold(by limits.Holder, h limits.Hold) {
	if !h.Empty() {
		x.held = append(x.held, held{by, h})
	}
}

// Held counts what the exchange holds.
func (x *Exchange) Held() int { return len(x.held) }

// Unhold ends what the exchange has come to hold since it held n, because it is
// not to go on.
func (x *Exchange) Unhold(n int) {
	for i := n; i < len(x.held); i++ {
		x.held[i].by.End(x.held[i].hold)
	}
	clear(x.held[n:])
	x.held = x.held[:n]
}

// answered tells the limiters how an attempt went. What is measured ends with the
// response's head: how long its body takes is the client's doing as much as the
// instance's. So is how long a request's takes that is not small.
func (x *Exchange) answered(err *ForwardError) {
	if len(x.held) == 0 {
		return
	}
	o := limits.Served
	switch {
	case x.BytesIn > maxKept && (err == nil || err.Cause != TimedOut):
		o = limits.Unrelated
	case err == nil:
		switch status := x.Response.Status; {
		case status == 503 || status == 504:
			o = limits.Dropped
		case status >= 500: // as quick as it may be, it is no answer
			o = limits.Unrelated
		}
	case err.Cause == TimedOut:
		o = limits.Dropped
	case err.Cause == ClientGone:
		o = limits.Left
	default:
		o = limits.Unrelated
	}
	took, now := x.UpstreamEnd-x.UpstreamStart, x.p.clock.At(x.UpstreamEnd)
	for i := range x.held {
		x.held[i].by.Answered(x.held[i].hold, took, o, now)
	}
}
