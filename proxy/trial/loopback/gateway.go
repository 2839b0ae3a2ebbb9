package loopback

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// Gateway is the whole request path on a loopback socket but for the engine: the
// pipeline, and the pool of the one service, "web".
type Gateway struct {
	T         TB
	Addr, URL string
	Listening net.Listener // on Addr
	Proxy     *proxy.Proxy
	Listener  *proxy.Listener
	Set       *upstream.Set
	Pool      *upstream.Pool
	Route     *proxy.Route
}

// Server is an engine's half for clients.
type Server interface {
	Serve(ln net.Listener) error
	Close() error
}

// New returns a gateway with one route for everything, which may be changed until
// Start.
func New(t TB) *Gateway {
	return &Gateway{
		T: t, Listener: &proxy.Listener{Name: "test", Port: 80},
		Set: upstream.NewSet(upstream.Options{Sources: []string{"test"}, Seed: 1}),
		Route: &proxy.Route{
			Rule: router.Rule{Name: "web", PathPrefix: "/"}, Service: "web",
			Timeout: Patience, ConnectTimeout: Patience, IdleTimeout: Patience,
		},
	}
}

// Balance makes the pool of the service, with instances at the addresses.
func (g *Gateway) Balance(balance string, addresses ...string) {
	g.T.Helper()
	var err error
	if g.Pool, err = g.Set.Pool(upstream.PoolSpec{Service: "web", Balance: balance}); err != nil {
		g.T.Fatal(err)
	}
	g.Apply(addresses...)
	g.Route.Pool = g.Pool
}

// Start has an engine serve.
func (g *Gateway) Start(back proxy.Forwarder, front func(proxy.Handler) Server) {
	g.T.Helper()
	table, err := proxy.NewTable(1, nil, []*proxy.Route{g.Route})
	if err != nil {
		g.T.Fatal(err)
	}
	g.Proxy = proxy.New(limits.NewClock(), back)
	g.Proxy.Swap(table)
	server := front(g.Proxy)
	ln := Listen(g.T)
	g.Listening = ln
	g.Addr, g.URL = ln.Addr().String(), "http://"+ln.Addr().String()
	var served sync.WaitGroup
	served.Go(func() {
		if err := server.Serve(ln); err != nil {
			g.T.Errorf("Serve: %v", err)
		}
	})
	g.T.Cleanup(func() {
		_ = server.Close() // Serve tells
		g.Proxy.CloseTunnels()
		served.Wait()
		g.WaitIdle()
		g.Apply() // retires the endpoints, which closes their connections
	})
}

// Snapshot makes the instances the service's only ones.
func (g *Gateway) Snapshot(instances ...catalog.Instance) {
	v := &catalog.Service{Name: "web", Instances: instances}
	g.Set.Apply(&catalog.Snapshot{Source: "test", Services: map[string]*catalog.Service{"web": v}})
}

// Apply makes the instances at the addresses the service's only ones. An address is
// "127.0.0.1:80" or "unix:/path".
func (g *Gateway) Apply(addresses ...string) {
	var all []catalog.Instance
	for i, a := range addresses {
		in := catalog.Instance{Key: "node/" + string(rune('a'+i)), Weight: 1, Local: true}
		if path, ok := strings.CutPrefix(a, "unix:"); ok {
			in.Socket = path
		} else {
			ap := netip.MustParseAddrPort(a)
			in.Address, in.Port = ap.Addr().String(), int(ap.Port())
		}
		all = append(all, in)
	}
	g.Snapshot(all...)
}

// WaitIdle waits until nothing is in flight, and fails when an endpoint thinks
// otherwise.
func (g *Gateway) WaitIdle() {
	g.T.Helper()
	Eventually(g.T, "nothing in flight", func() bool { return g.Proxy.InFlight() == 0 })
	for _, s := range g.Set.Describe(time.Now()) {
		for _, e := range s.Endpoints {
			if e.InFlight != 0 {
				g.T.Errorf("endpoint %s has %d in flight at the end", e.Target, e.InFlight)
			}
		}
	}
}
