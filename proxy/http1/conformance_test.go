package http1_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http1"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// gateway is the whole request path on a loopback socket: server, pipeline,
// pool, forwarder.
type gateway struct {
	*loopback.Gateway
	t      testing.TB
	server server
	back   proxy.Forwarder
	speaks http.Protocols // of its clients; zero for HTTP/1.1
}

// server is what an engine's half for clients looks like to whoever assembles a
// gateway.
type server interface {
	Serve(net.Listener) error
	Retire()
	Shutdown(context.Context) error
	Close() error
}

// options are those that the engines have in common.
type options struct {
	MaxConnections, MaxHeaderBytes int
	ReadHeaderTimeout, IdleTimeout time.Duration
	Logger                         hclog.Logger
	Own                            func(netip.AddrPort) bool
	Balance                        string
	Route                          *proxy.Route // set by startGateway
	Client                         *http.Protocols
}

// engine makes both halves of one.
type engine func(l *proxy.Listener, o options) (func(proxy.Handler) server, proxy.Forwarder)

func ours(l *proxy.Listener, o options) (func(proxy.Handler) server, proxy.Forwarder) {
	return func(h proxy.Handler) server {
		return http1.New(h, http1.Options{
			Listener: l, MaxConnections: o.MaxConnections, MaxHeaderBytes: o.MaxHeaderBytes,
			ReadHeaderTimeout: o.ReadHeaderTimeout, IdleTimeout: o.IdleTimeout, Logger: o.Logger,
		})
	}, http1.NewForwarder(http1.ForwarderOptions{Own: o.Own})
}

func standard(l *proxy.Listener, o options) (func(proxy.Handler) server, proxy.Forwarder) {
	return func(h proxy.Handler) server {
		return nethttp.New(h, nethttp.Options{
			Listener: l, MaxConnections: o.MaxConnections, MaxHeaderBytes: o.MaxHeaderBytes,
			ReadHeaderTimeout: o.ReadHeaderTimeout, IdleTimeout: o.IdleTimeout, Logger: o.Logger,
		})
	}, nethttp.NewForwarder(nethttp.ForwarderOptions{Own: o.Own})
}

// either joins the half of one engine to the half of the other.
func either(front, back engine) engine {
	return func(l *proxy.Listener, o options) (func(proxy.Handler) server, proxy.Forwarder) {
		s, _ := front(l, o)
		_, f := back(l, o)
		return s, f
	}
}

// wrapped has connections that are more than a socket, so that there is no short
// way to it: as with TLS, or on other systems.
func wrapped(e engine) engine {
	return func(l *proxy.Listener, o options) (func(proxy.Handler) server, proxy.Forwarder) {
		s, f := e(l, o)
		return func(h proxy.Handler) server { return wrappedServer{s(h)} }, f
	}
}

type wrappedServer struct{ server }

func (s wrappedServer) Serve(ln net.Listener) error { return s.server.Serve(wrappedListener{ln}) }

type wrappedListener struct{ net.Listener }

func (l wrappedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*net.TCPConn); ok {
		return wrappedConn{t}, nil
	}
	return c, nil
}

type wrappedConn struct{ *net.TCPConn }

func (c wrappedConn) NetConn() net.Conn { return c.TCPConn }

// h2c has clients that speak HTTP/2 in clear, by prior knowledge.
func h2c(e engine) engine {
	return func(l *proxy.Listener, o options) (func(proxy.Handler) server, proxy.Forwarder) {
		o.Client.SetUnencryptedHTTP2(true)
		return e(l, o)
	}
}

// engines are halves of one each, or of both.
var engines = map[string]engine{
	"http1": ours, "http1 the long way": wrapped(ours), "nethttp": standard,
	"http1 to nethttp": either(ours, standard), "nethttp to http1": either(standard, ours),
	"http1 over TLS": overTLS(ours),
}

// engines2 are those that speak HTTP/2 with clients.
var engines2 = map[string]engine{
	"HTTP/2 to nethttp": h2c(standard), "HTTP/2 to http1": h2c(either(standard, ours)),
	"HTTP/2 to http1 over TLS": h2c(overTLS(either(standard, ours))),
}

// conformance runs a test with every engine. Its clients are raw ones, or it says
// nothing about them.
func conformance(t *testing.T, test func(*testing.T, engine)) {
	t.Helper()
	for name, e := range engines {
		t.Run(name, func(t *testing.T) { test(t, e) })
	}
}

// everywhere runs a test with every engine and every protocol. Its clients are
// those of gateway.client.
func everywhere(t *testing.T, test func(*testing.T, engine)) {
	t.Helper()
	conformance(t, test)
	for name, e := range engines2 {
		t.Run(name, func(t *testing.T) { test(t, e) })
	}
}

// setup changes a gateway before it starts.
type setup func(*proxy.Route, *options)

func startGateway(t testing.TB, e engine, set setup, instances ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, Gateway: loopback.New(t)}
	o := options{ReadHeaderTimeout: loopback.Patience, IdleTimeout: loopback.Patience, Balance: "round_robin"}
	if set != nil {
		set(g.Route, &o)
	}
	g.Balance(o.Balance, instances...)
	o.Route, o.Client = g.Route, &g.speaks
	front, back := e(g.Listener, o)
	g.back = back
	g.Start(back, func(h proxy.Handler) loopback.Server {
		g.server = front(h)
		return g.server
	})
	return g
}

// lost says that a connection to an instance was not kept, and returns whether that
// is an error. It is our own engine's; http.Transport gives a connection up whose
// writer, on a busy machine, is late to say that it is done.
func (g *gateway) lost() bool {
	g.t.Helper()
	_, own := g.back.(*http1.Forwarder)
	if own {
		g.t.Error("a connection to an instance was not kept")
	}
	return own
}

// client returns a client with connections of its own.
func (g *gateway) client() *http.Client {
	g.t.Helper()
	tr := &http.Transport{DisableCompression: true}
	if g.speaks.UnencryptedHTTP2() {
		tr.Protocols = &g.speaks
	}
	g.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
