package nethttp

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// ways holds what keeps the connections to one endpoint, one for each way of making
// them. It implements io.Closer.
type ways[T interface{ Close() }] struct {
	open   func(secure proxy.UpstreamTLS) T // nil is in clear
	plain  T
	secure sync.Map // from proxy.UpstreamTLS to T
	closed atomic.Bool
}

func newWays[T interface{ Close() }](ep *upstream.Endpoint, own func(netip.AddrPort) bool, open func(w *way) T) *ways[T] {
	w := &ways[T]{open: func(secure proxy.UpstreamTLS) T { return open(newWay(ep, own, secure)) }}
	w.plain = w.open(nil)
	return w
}

// of returns the connections for routes that speak TLS in that way; nil is in
// clear. A connection that was made for one route is never used for another that
// asks for another authority, name or certificate.
func (w *ways[T]) of(secure proxy.UpstreamTLS) T {
	if secure == nil {
		return w.plain
	}
	if got, ok := w.secure.Load(secure); ok {
		return got.(T)
	}
	got, _ := w.secure.LoadOrStore(secure, w.open(secure))
	if w.closed.Load() {
		got.(T).Close()
	}
	return got.(T)
}

// Close closes the idle connections. One that is handed back later is closed by
// then.
func (w *ways[T]) Close() error {
	w.closed.Store(true)
	w.plain.Close()
	w.secure.Range(func(_, one any) bool {
		one.(T).Close()
		return true
	})
	return nil
}
