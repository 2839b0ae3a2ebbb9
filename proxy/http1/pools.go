package http1

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// pools holds the idle connections to one endpoint: those in clear, and those of
// each way of TLS. It implements io.Closer.
type pools struct {
	clear  *pool
	secure sync.Map // from proxy.UpstreamTLS to *pool
	closed atomic.Bool
}

func newPools(ep *upstream.Endpoint, own func(netip.AddrPort) bool) *pools {
	return &pools{clear: newPool(ep, own, nil)}
}

// of returns the connections for routes that speak TLS in that way; nil is in
// clear. A connection that was made for one route is never used for another that
// asks for another authority, name or certificate.
func (p *pools) of(secure proxy.UpstreamTLS) *pool {
	if secure == nil {
		return p.clear
	}
	got, ok := p.secure.Load(secure)
	if !ok {
		got, _ = p.secure.LoadOrStore(secure, newPool(p.clear.ep, p.clear.own, secure))
		if p.closed.Load() {
			_ = got.(*pool).Close() // never fails
		}
	}
	return got.(*pool)
}

// Close closes the idle connections. One that is handed back later is closed by
// then.
func (p *pools) Close() error {
	p.closed.Store(true)
	_ = p.clear.Close() // never fails
	p.secure.Range(func(_, s any) bool {
		_ = s.(*pool).Close() // never fails
		return true
	})
	return nil
}
