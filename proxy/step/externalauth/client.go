package externalauth

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Bounds on what asking may take.
const (
	// MaxConnections is how many connections there are to one service.
	MaxConnections = 128
	// MaxAsking is how many requests of one route wait for an answer.
	MaxAsking   = 1024
	maxHead     = 64 << 10 // bytes of an answer's fields
	idleTimeout = time.Minute
)

var errOwn = errors.New("the service is the gateway itself")

// NewClient returns what asks the services of all routes, by connections of its own
// that are kept. own reports whether an address is one of the gateway's listeners,
// which is never asked; nil for never.
func NewClient(own func(netip.AddrPort) bool) *http.Client {
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("asking %s: %w", address, err)
		}
		if to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port()); own != nil && own(to) {
			return errOwn
		}
		return nil
	}}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxConnsPerHost: MaxConnections, MaxIdleConnsPerHost: MaxConnections,
			MaxIdleConns: 4 * MaxConnections, IdleConnTimeout: idleTimeout, MaxResponseHeaderBytes: maxHead,
			DisableCompression: true, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
