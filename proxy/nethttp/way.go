package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// way makes connections to one endpoint, all alike.
type way struct {
	ep     *upstream.Endpoint
	own    func(netip.AddrPort) bool
	tls    proxy.UpstreamTLS // nil for in clear
	aging  proxy.AgingTLS    // the same, if it has a word on a connection's age
	protos []string          // offered by ALPN; nil offers nothing
	dialer net.Dialer
	host   string // names the endpoint where the request has no Host
	closed atomic.Bool
}

func newWay(ep *upstream.Endpoint, own func(netip.AddrPort) bool, secure proxy.UpstreamTLS) *way {
	w := &way{ep: ep, own: own, tls: secure, host: ep.Target()}
	if strings.HasPrefix(w.host, unixPrefix) {
		w.host = "localhost"
	}
	w.aging, _ = secure.(proxy.AgingTLS)
	w.dialer.ControlContext = w.judge
	return w
}

const unixPrefix = "unix:"

// dialError marks a failure to connect: nothing has been sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return "connecting: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

var errRetired = errors.New("the endpoint is gone")

// connect makes a connection to the endpoint, and speaks TLS on it if that is the
// way. Its errors are of type *dialError.
func (w *way) connect(ctx context.Context) (net.Conn, error) {
	network, address := "tcp", w.ep.Target()
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		network, address = "unix", path
	}
	c, err := w.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, &dialError{err}
	}
	if w.closed.Load() {
		c.Close()
		return nil, &dialError{errRetired}
	}
	if w.tls != nil {
		if c, err = w.handshake(ctx, c); err != nil {
			return nil, &dialError{err}
		}
	}
	return c, nil
}

// handshake speaks TLS on a connection, and closes it when that fails.
func (w *way) handshake(ctx context.Context, c net.Conn) (net.Conn, error) {
	host, _, err := net.SplitHostPort(w.host)
	if err != nil {
		host = w.host
	}
	config := w.tls.ClientConfig(host)
	if w.protos != nil {
		config.NextProtos = w.protos
	}
	s := tls.Client(c, config)
	if err := s.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", w.ep.Target(), err)
	}
	return s, nil
}

// judge refuses addresses that no request may be sent to, after names have been
// resolved and before a packet leaves.
func (w *way) judge(_ context.Context, network, address string, _ syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("judging the address %q: %w", address, err)
	}
	if why := (catalog.Reach{Local: w.ep.Instance().Local, Own: w.own}).Refuse(ap); why != "" {
		return fmt.Errorf("the address %s may not be dialled: %s", ap, why)
	}
	return nil
}
