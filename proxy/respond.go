package proxy

import (
	"errors"
	"io"
	"slices"

	"github.com/lictor/lictor/proxy/upstream"
)

var errTunnelRefused = errors.New("switching protocols without being asked to")

// respond passes the instance's answer on to the client, head and body, and
// gives the connection back.
func (x *Exchange) respond() {
	if x.notOpened() {
		return
	}
	for _, s := range slices.Backward(x.Route.responses) {
		s.Response(x)
	}
	x.editResponse()
	if x.Response.Tunnel != nil || x.Response.Status == statusSwitching {
		x.tunnel()
		return
	}
	x.report(upstream.Success, x.UpstreamEnd)
	err := x.copyResponse()
	x.done(err == nil)
	x.releaseBody()
	if err == nil {
		x.complete = true
		return
	}
	x.Err = err
	if fe, ok := errors.AsType[*ForwardError](err); ok {
		x.report(outcome(fe), x.p.clock.Now().Mono)
	}
	x.W.Abort()
}

// done gives the instance's connection back, or throws it away; once.
func (x *Exchange) done(complete bool) {
	if x.lent {
		x.lent = false
		x.p.forwarder.Done(x, complete)
	}
}

// copyResponse streams the answer. It never waits for the instance with bytes
// unsent, so that events reach the client as they come. A *ForwardError is the
// instance's fault, any other error the client's. What the exchange holds ends
// before the client can know that the answer has: whoever asks again at once finds
// the place free.
func (x *Exchange) copyResponse() error {
	r, w := &x.Response, x.W
	x.noteResponse()
	if err := w.Head(r); err != nil {
		return err
	}
	x.headOut = true
	if r.Body == nil {
		x.Unhold(0)
		return w.End(nil)
	}
	for {
		if !r.Body.Ready() {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		b, err := r.Body.Next()
		if err == io.EOF { //nolint:errorlint // Body.Next returns io.EOF itself
			x.Unhold(0)
			return w.End(r.Body.Trailer())
		}
		if err != nil {
			return asForwardError(err)
		}
		if r.Length != Unknown && x.BytesOut+int64(len(b)) >= r.Length {
			x.Unhold(0) // what is long may go out at once
		}
		if err := w.Body(b); err != nil {
			return err
		}
		x.BytesOut += int64(len(b))
	}
}
