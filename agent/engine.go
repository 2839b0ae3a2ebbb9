package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http1"
	"github.com/lictor/lictor/proxy/http3"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/upstream"
)

// engine is the server half of one that serves a listener.
type engine interface {
	// Serve accepts connections until Shutdown or Close, and returns nil then.
	Serve(ln net.Listener) error
	// Retire has clients leave with their next answers. Serve returns nil when the
	// listener is closed afterwards.
	Retire()
	// Shutdown stops accepting and waits for what is in flight.
	Shutdown(ctx context.Context) error
	// Close ends everything but tunnels at once.
	Close() error
}

// Where the engines keep an endpoint's connections.
const (
	slotNetHTTP = iota
	slotHTTP1
	slotHTTP2
)

// newEngine returns what serves a listener; secure is nil in clear.
func (a *Agent) newEngine(c *config.Listener, s *server, secure *tls.Config, log hclog.Logger) engine {
	l := s.listener
	std := nethttp.New(a.proxy, nethttp.Options{
		Listener: l, TLS: secure, ReadHeaderTimeout: c.ReadHeaderTimeout, IdleTimeout: c.IdleTimeout,
		MaxHeaderBytes: int(c.MaxHeaderBytes), MaxConnections: c.MaxConnections,
		MaxConcurrentStreams: c.HTTP2.MaxConcurrentStreams, MaxWastedFrames: c.HTTP2.MaxWastedFrames, Logger: log,
	})
	var e engine = std
	if l.NetHTTP = c.Engine == config.EngineNetHTTP; !l.NetHTTP {
		e = &both{std: std, own: http1.New(a.proxy, http1.Options{
			Listener: l, TLS: secure, ReadHeaderTimeout: c.ReadHeaderTimeout, IdleTimeout: c.IdleTimeout,
			MaxHeaderBytes: int(c.MaxHeaderBytes), MaxConnections: c.MaxConnections, H2: std.Take, Logger: log,
		})}
	}
	if c.HTTP3 == nil {
		return e
	}
	return &withHTTP3{
		engine: e, socket: s.socket, ended: make(chan struct{}), log: log.With("listener", c.Name),
		open: func() (*net.UDPConn, error) { return openDatagrams(c, l.Port) },
		quic: http3.New(http3.Options{
			Handler: std.ServeConn, Listener: l, TLS: secure, ReadHeaderTimeout: c.ReadHeaderTimeout, IdleTimeout: c.IdleTimeout,
			MaxHeaderBytes: int(c.MaxHeaderBytes), MaxConnections: c.MaxConnections, EarlyData: c.HTTP3.EarlyData, Logger: log,
		}),
	}
}

// both speaks HTTP/1.1 by our own engine, and hands connections that turn out to
// speak HTTP/2 over to net/http's.
type both struct {
	own *http1.Server
	std *nethttp.Server
}

func (b *both) Serve(ln net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	failed := make(chan error, 1)
	wg.Go(func() { failed <- b.std.ServeTaken() })
	if err := b.own.Serve(ln); err != nil {
		_ = b.std.Close() // there is an error to report already
		return err
	}
	return <-failed
}

func (b *both) Shutdown(ctx context.Context) error {
	var wg sync.WaitGroup
	var own, std error
	wg.Go(func() { own = b.own.Shutdown(ctx) })
	wg.Go(func() { std = b.std.Shutdown(ctx) })
	wg.Wait()
	return errors.Join(own, std)
}

func (b *both) Retire() {
	b.own.Retire()
	b.std.Retire()
}

func (b *both) Close() error { return errors.Join(b.own.Close(), b.std.Close()) }

// forwarders chooses the client half for each exchange: net/http's for instances
// that speak HTTP/2, and our own for all others, whatever the client speaks, unless
// the listener's engine is net/http.
type forwarders struct {
	own *http1.Forwarder
	std *nethttp.Forwarder
	h2  *nethttp.H2Forwarder
}

func (f *forwarders) Forward(x *proxy.Exchange, ep *upstream.Endpoint) error {
	if d, ok := x.Route.TLSTo(ep).(*connect.Destination); ok {
		return f.throughMesh(x, ep, d)
	}
	return f.forward(x, ep, ep.Instance().Protocol)
}

// forward carries an exchange to an instance by the protocol of its route, and else
// by the one given. A WebSocket begins as HTTP/1.1 with whoever speaks that, too.
func (f *forwarders) forward(x *proxy.Exchange, ep *upstream.Endpoint, p catalog.Protocol) error {
	if x.Route.Protocol != catalog.AnyProtocol {
		p = x.Route.Protocol
	}
	if p.Multiplexed() && !x.Request.WebSocket {
		return f.h2.Forward(x, ep)
	}
	x.Upstream = 0
	return f.of(x).Forward(x, ep)
}

func (f *forwarders) Done(x *proxy.Exchange, complete bool) { f.of(x).Done(x, complete) }

// of depends on nothing that changes while an exchange is with an instance.
func (f *forwarders) of(x *proxy.Exchange) proxy.Forwarder {
	switch {
	case x.Upstream == proxy.HTTP2:
		return f.h2
	case x.Conn.Listener.NetHTTP:
		return f.std
	}
	return f.own
}
