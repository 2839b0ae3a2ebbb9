package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

const unixPrefix = "unix:"

// Dial implements proxy.Passage. What an instance is told of the client goes before
// TLS.
func (g *passage) Dial(x *proxy.Exchange, ep *upstream.Endpoint) error {
	ctx := g.ctx
	if d := x.Route.ConnectTimeout; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	up, err := g.dial(ctx, ep)
	if err == nil {
		err = g.connected(up)
	}
	if err == nil {
		return nil
	}
	fe := &proxy.ForwardError{Cause: proxy.Refused, Err: fmt.Errorf("connecting: %w", err)}
	switch {
	case g.ctx.Err() != nil:
		fe.Cause = proxy.ClientGone
	case g.e.o.Refused != nil:
		g.e.o.Refused(x, fe)
	}
	return fe
}

func (g *passage) dial(ctx context.Context, ep *upstream.Endpoint) (net.Conn, error) {
	network, address := "tcp", ep.Target()
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		network, address = "unix", path
	}
	d := net.Dialer{ControlContext: judge(ep, g.e.o.Own)}
	up, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secured, err := g.introduce(ctx, up, address)
	if err != nil {
		up.Close()
		return nil, err
	}
	return secured, nil
}

// introduce says whose passage it is and speaks TLS, where the route asks for that.
func (g *passage) introduce(ctx context.Context, up net.Conn, address string) (net.Conn, error) {
	if h := g.route.Announce.header(g.x.Conn.Peer, addrPort(g.down.LocalAddr()), string(g.x.Request.Host)); h != nil {
		if by, bounded := ctx.Deadline(); bounded {
			_ = up.SetWriteDeadline(by) // fails on a closed connection only
		}
		if _, err := up.Write(h); err != nil {
			return nil, fmt.Errorf("saying whose connection it is: %w", err)
		}
		_ = up.SetWriteDeadline(time.Time{}) // likewise
	}
	secure := g.route.UpstreamTLS
	if secure == nil {
		return up, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = "localhost" // a socket's path
	}
	s := tls.Client(up, secure.ClientConfig(host))
	if err := s.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake with %s: %w", address, err)
	}
	return s, nil
}

// judge refuses addresses that nothing may be sent to, after names have been
// resolved and before a packet leaves.
func judge(ep *upstream.Endpoint, own func(netip.AddrPort) bool) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("judging the address %q: %w", address, err)
		}
		if why := (catalog.Reach{Local: ep.Instance().Local, Own: own}).Refuse(ap); why != "" {
			return fmt.Errorf("the address %s may not be dialled: %s", ap, why)
		}
		return nil
	}
}

var (
	errStopped = errors.New("the gateway has closed it")
	errSilent  = errors.New("nothing has passed for the route's idle timeout")
)
