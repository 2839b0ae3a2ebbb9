package http1

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy"
)

const unixPrefix = "unix:"

// dial makes a connection to the endpoint, and speaks TLS on it if that is the
// pool's way, within the time for one. A host name is resolved each time.
func (k *call) dial() (*upConn, *proxy.ForwardError) {
	p, r := k.pool, k.x.Route
	ctx := k.x.W.Context()
	left, bounded := k.x.Remaining()
	if bounded && left <= 0 {
		return nil, &proxy.ForwardError{Cause: proxy.TimedOut, Err: errHeadTimeout}
	}
	within := left
	if r.ConnectTimeout > 0 && (!bounded || r.ConnectTimeout < left) {
		within = r.ConnectTimeout
	}
	dialCtx := ctx
	if within > 0 {
		var cancel context.CancelFunc
		dialCtx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	network, address := "tcp", p.ep.Target()
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		network, address = "unix", path
	}
	u, err := p.dial(dialCtx, network, address)
	if err == nil {
		u.born = k.now()
		return u, nil
	}
	fe := &proxy.ForwardError{Cause: proxy.Refused, Err: fmt.Errorf("connecting: %w", err)}
	switch left, bounded := k.x.Remaining(); {
	case ctx.Err() != nil:
		fe.Cause = proxy.ClientGone
	case bounded && left <= 0 && dialCtx.Err() != nil:
		fe.Cause, fe.Err = proxy.TimedOut, errHeadTimeout
	}
	return nil, fe
}

// dial makes a connection in the pool's way.
func (p *pool) dial(ctx context.Context, network, address string) (*upConn, error) {
	nc, err := p.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if p.tls == nil {
		return newUpConn(nc, nil), nil
	}
	s, err := p.handshake(ctx, nc)
	if err != nil {
		return nil, err
	}
	return newUpConn(s, s), nil
}

// judge refuses addresses that no request may be sent to, after names have been
// resolved and before a packet leaves.
func (p *pool) judge(_ context.Context, network, address string, _ syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("judging the address %q: %w", address, err)
	}
	if why := (catalog.Reach{Local: p.ep.Instance().Local, Own: p.own}).Refuse(ap); why != "" {
		return fmt.Errorf("the address %s may not be dialled: %s", ap, why)
	}
	return nil
}

// upConn is a connection to an instance. It belongs to one exchange at a time,
// or to the pool.
type upConn struct {
	nc      net.Conn
	secure  *secured      // the same, if it is TLS
	raw     rawClient     // the short way to its socket, if it is not
	born    time.Duration // on the pipeline's clock
	tick    uint32        // the pool's, when it became idle
	readBy  alarm
	writeBy alarm
}

func newUpConn(nc net.Conn, secure *secured) *upConn {
	u := &upConn{nc: nc, secure: secure}
	u.raw.init(u)
	return u
}

// quiet reports whether an idle connection may be used again.
func (u *upConn) quiet() bool {
	if u.secure != nil {
		return u.secure.quiet()
	}
	return u.raw.quiet()
}

// writtenBy says who is asked when a write takes long, nil for nobody.
func (u *upConn) writtenBy(stalled func(n int, err error) error) {
	if u.secure != nil {
		u.secure.sock.stalled = stalled
	}
}

// leave closes a connection on which nothing is under way.
func (u *upConn) leave() {
	if u.secure != nil {
		u.secure.leave()
		return
	}
	u.nc.Close()
}

// cut closes a connection in the middle of something.
func (u *upConn) cut() {
	if u.secure != nil {
		u.secure.sock.Close()
		return
	}
	u.nc.Close()
}

// wake makes whoever waits for the instance ask whether there is still a reason
// to; see conn.interrupt.
func (u *upConn) wake() { _ = u.nc.SetDeadline(past) }
