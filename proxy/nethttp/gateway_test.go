package nethttp_test

import (
	"net/http"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// gateway is the whole request path on a loopback socket: server, pipeline,
// pool, forwarder.
type gateway struct {
	*loopback.Gateway
	server *nethttp.Server
	secure bool // by TLS
}

// setup changes a gateway before it starts.
type setup func(*proxy.Route, *nethttp.Options, *nethttp.ForwarderOptions)

func startGateway(t testing.TB, set setup, instances ...string) *gateway {
	t.Helper()
	return startWith(t, func(o nethttp.ForwarderOptions) proxy.Forwarder { return nethttp.NewForwarder(o) }, set, instances...)
}

// startWith is startGateway with another forwarder.
func startWith(t testing.TB, forwarder func(nethttp.ForwarderOptions) proxy.Forwarder, set setup, instances ...string) *gateway {
	t.Helper()
	g := &gateway{Gateway: loopback.New(t)}
	g.Balance("round_robin", instances...)
	so := nethttp.Options{Listener: g.Listener, ReadHeaderTimeout: loopback.Patience, IdleTimeout: loopback.Patience}
	fo := nethttp.ForwarderOptions{}
	if set != nil {
		set(g.Route, &so, &fo)
	}
	g.Start(forwarder(fo), func(h proxy.Handler) loopback.Server {
		g.server = nethttp.New(h, so)
		return g.server
	})
	return g
}

// newClient returns a client with connections of its own.
func newClient(t testing.TB, protocols func(*http.Protocols)) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(true)
	if protocols != nil {
		*p = http.Protocols{}
		protocols(p)
	}
	tr := &http.Transport{Protocols: p, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
