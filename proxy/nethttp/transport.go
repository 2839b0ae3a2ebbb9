package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

const (
	// maxIdle bounds the idle connections to one endpoint.
	maxIdle = 256
	// idleTimeout is less than the 60 seconds and more after which servers
	// close an idle connection, so that it is us who do.
	idleTimeout = 55 * time.Second
	// maxHead bounds the head of a response, in bytes.
	maxHead = 256 << 10
)

// transports holds the connections to one endpoint. It implements io.Closer.
type transports struct {
	ep     *upstream.Endpoint
	own    func(netip.AddrPort) bool
	plain  *transport
	secure sync.Map // from proxy.UpstreamTLS to *transport
	closed atomic.Bool
}

func newTransports(ep *upstream.Endpoint, own func(netip.AddrPort) bool) *transports {
	return &transports{ep: ep, own: own, plain: newTransport(ep, own, nil)}
}

// of returns the connections for routes that speak TLS in that way; nil is in
// clear. A connection that was made for one route is never used for another that
// asks for another authority, name or certificate.
func (t *transports) of(secure proxy.UpstreamTLS) *transport {
	if secure == nil {
		return t.plain
	}
	if got, ok := t.secure.Load(secure); ok {
		return got.(*transport)
	}
	got, _ := t.secure.LoadOrStore(secure, newTransport(t.ep, t.own, secure))
	if t.closed.Load() {
		got.(*transport).Close()
	}
	return got.(*transport)
}

// Close closes the idle connections. One that is handed back later is closed by
// then.
func (t *transports) Close() error {
	t.closed.Store(true)
	t.plain.Close()
	t.secure.Range(func(_, s any) bool {
		s.(*transport).Close()
		return true
	})
	return nil
}

var _ io.Closer = (*transports)(nil)

// transport holds the connections to one endpoint that are made in one way.
type transport struct {
	*http.Transport
	ep     *upstream.Endpoint
	own    func(netip.AddrPort) bool
	tls    proxy.UpstreamTLS // nil for in clear
	aging  proxy.AgingTLS    // the same, if it has a word on a connection's age
	protos []string          // offered by ALPN; nil offers nothing
	dialer net.Dialer
	host   string // names the endpoint where the request has no Host
	closed atomic.Bool
}

// newWay returns a transport that can dial, and carries nothing yet.
func newWay(ep *upstream.Endpoint, own func(netip.AddrPort) bool, secure proxy.UpstreamTLS) *transport {
	t := &transport{ep: ep, own: own, tls: secure, host: ep.Target()}
	if strings.HasPrefix(t.host, unixPrefix) {
		t.host = "localhost"
	}
	t.aging, _ = secure.(proxy.AgingTLS)
	t.dialer.ControlContext = t.judge
	return t
}

func newTransport(ep *upstream.Endpoint, own func(netip.AddrPort) bool, secure proxy.UpstreamTLS) *transport {
	t := newWay(ep, own, secure)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t.Transport = &http.Transport{
		DialContext:            t.dial,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHead,
		Protocols:              protocols,
	}
	return t
}

const unixPrefix = "unix:"

// dialError marks a failure to connect: nothing has been sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return "connecting: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

var errRetired = errors.New("the endpoint is gone")

// dial connects to the endpoint; what it is asked for is the same thing said
// otherwise. A host name is resolved each time.
func (t *transport) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if d, ok := ctx.Value(connectTimeout{}).(time.Duration); ok && d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	c, err := t.connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, born: time.Now()}, nil
}

// connect makes a connection to the endpoint, and speaks TLS on it if that is the
// way. Its errors are of type *dialError.
func (t *transport) connect(ctx context.Context) (net.Conn, error) {
	network, address := "tcp", t.ep.Target()
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		network, address = "unix", path
	}
	c, err := t.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, &dialError{err}
	}
	if t.closed.Load() {
		c.Close()
		return nil, &dialError{errRetired}
	}
	if t.tls != nil {
		if c, err = t.handshake(ctx, c); err != nil {
			return nil, &dialError{err}
		}
	}
	return c, nil
}

// handshake speaks TLS on a connection, and closes it when that fails.
func (t *transport) handshake(ctx context.Context, c net.Conn) (net.Conn, error) {
	host, _, err := net.SplitHostPort(t.host)
	if err != nil {
		host = t.host
	}
	config := t.tls.ClientConfig(host)
	if t.protos != nil {
		config.NextProtos = t.protos
	}
	s := tls.Client(c, config)
	if err := s.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", t.ep.Target(), err)
	}
	return s, nil
}

// judge refuses addresses that no request may be sent to, after names have been
// resolved and before a packet leaves.
func (t *transport) judge(_ context.Context, network, address string, _ syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("judging the address %q: %w", address, err)
	}
	if why := (catalog.Reach{Local: t.ep.Instance().Local, Own: t.own}).Refuse(ap); why != "" {
		return fmt.Errorf("the address %s may not be dialled: %s", ap, why)
	}
	return nil
}

// Close closes the idle connections. One that is handed back later is closed
// by then.
func (t *transport) Close() {
	t.closed.Store(true)
	t.CloseIdleConnections()
}
