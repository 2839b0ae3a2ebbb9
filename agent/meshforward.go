package agent

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// throughMesh carries an exchange to a sidecar, and finds out what a failure
// means.
func (f *forwarders) throughMesh(x *proxy.Exchange, ep *upstream.Endpoint, d *connect.Destination) error {
	if err := unspoken(d); err != nil {
		return err
	}
	p := ep.Instance().Protocol
	if p == catalog.AnyProtocol {
		p, _ = catalog.ParseProtocol(d.Protocol()) // "tcp" leaves it to whoever is asked next
	}
	err := f.forward(x, ep, p)
	fe, ok := errors.AsType[*proxy.ForwardError](err)
	if !ok {
		return err
	}
	if _, own := errors.AsType[*connect.IdentityError](fe.Err); own {
		fe.Answer = proxy.MeshUnavailable
		return fe
	}
	if mayBeDenied(fe) {
		judge(x.W.Context(), x, fe, d)
	}
	return fe
}

// Foretell implements proxy.Foreteller.
func (f *forwarders) Foretell(x *proxy.Exchange) error {
	d, ok := x.Route.TLSTo(x.Endpoint).(*connect.Destination)
	if !ok {
		return nil
	}
	return unspoken(d)
}

func unspoken(d *connect.Destination) error {
	if err := d.Unspoken(); err != nil {
		return &proxy.ForwardError{Cause: proxy.Refused, Err: err, Answer: proxy.MeshUnavailable}
	}
	return nil
}

// mayBeDenied reports whether that is how a sidecar denies: by an alert instead
// of a handshake, or, in TLS 1.3, where the client has finished first, by closing
// before the first byte of an answer.
func mayBeDenied(fe *proxy.ForwardError) bool {
	switch fe.Cause {
	case proxy.Broke:
		return true // Received may only say that the client's body is lost
	case proxy.Refused:
		alert, ok := errors.AsType[*net.OpError](fe.Err)
		return ok && alert.Op == "remote error"
	default:
		return false
	}
}

// judge asks Consul whether an intention is behind the failure. While Consul does
// not answer, sidecars that can't ask either refuse everybody; the instance is
// not blamed for that, since connections that exist go on serving.
func judge(ctx context.Context, x *proxy.Exchange, fe *proxy.ForwardError, d *connect.Destination) {
	if left, bounded := x.Remaining(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, left)
		defer cancel()
	}
	denied, err := d.Denied(ctx)
	switch {
	case err != nil && fe.Cause == proxy.Refused:
		fe.Answer, fe.Err = proxy.InstanceRefused, fmt.Errorf("%w; %w", fe.Err, err)
	case err != nil:
		fe.Answer, fe.Err = proxy.InstanceBroke, fmt.Errorf("%w; %w", fe.Err, err)
	case denied:
		d.CountDenied()
		fe.Answer, fe.Err = proxy.IntentionDenied, fmt.Errorf("an intention denies it: %w", fe.Err)
	}
}
