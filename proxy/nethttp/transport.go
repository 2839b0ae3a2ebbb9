package nethttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lictor/lictor/catalog"
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

// transport holds the connections to one endpoint. It implements io.Closer.
type transport struct {
	*http.Transport
	ep     *upstream.Endpoint
	own    func(netip.AddrPort) bool
	dialer net.Dialer
	host   string // names the endpoint where the request has no Host
	closed atomic.Bool
}

func newTransport(ep *upstream.Endpoint, own func(netip.AddrPort) bool) *transport {
	t := &transport{ep: ep, own: own, host: ep.Target()}
	if strings.HasPrefix(t.host, unixPrefix) {
		t.host = "localhost"
	}
	t.dialer.ControlContext = t.judge
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
	return &conn{Conn: c}, nil
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
func (t *transport) Close() error {
	t.closed.Store(true)
	t.CloseIdleConnections()
	return nil
}

var _ io.Closer = (*transport)(nil)
