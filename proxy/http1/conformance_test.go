package http1_test

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http1"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// patience is how long a test waits for what must happen. It is never reached
// by a test that passes.
const patience = time.Minute

// gateway is the whole request path on a loopback socket: server, pipeline,
// pool, forwarder.
type gateway struct {
	t        testing.TB
	addr     string
	url      string
	proxy    *proxy.Proxy
	server   server
	listener *proxy.Listener
	set      *upstream.Set
	pool     *upstream.Pool
	route    *proxy.Route
	back     proxy.Forwarder
	speaks   http.Protocols // of its clients; zero for HTTP/1.1
}

// server is what an engine's half for clients looks like to whoever assembles a
// gateway.
type server interface {
	Serve(net.Listener) error
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
	g := &gateway{t: t, listener: &proxy.Listener{Name: "test", Port: 80}}
	g.set = upstream.NewSet(upstream.Options{Sources: []string{"test"}, Seed: 1})
	g.route = &proxy.Route{
		Rule: router.Rule{Name: "web", PathPrefix: "/"}, Service: "web",
		Timeout: patience, ConnectTimeout: patience, IdleTimeout: patience,
	}
	o := options{ReadHeaderTimeout: patience, IdleTimeout: patience, Balance: "round_robin"}
	if set != nil {
		set(g.route, &o)
	}
	var err error
	if g.pool, err = g.set.Pool(upstream.PoolSpec{Service: "web", Balance: o.Balance}); err != nil {
		t.Fatal(err)
	}
	g.apply(instances...)
	g.route.Pool = g.pool
	table, err := proxy.NewTable(1, nil, []*proxy.Route{g.route})
	if err != nil {
		t.Fatal(err)
	}
	o.Route, o.Client = g.route, &g.speaks
	front, back := e(g.listener, o)
	g.back = back
	g.proxy = proxy.New(limits.NewClock(), back)
	g.proxy.Swap(table)
	g.server = front(g.proxy)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr, g.url = ln.Addr().String(), "http://"+ln.Addr().String()
	var served sync.WaitGroup
	served.Go(func() {
		if err := g.server.Serve(ln); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		g.server.Close()
		g.proxy.CloseTunnels()
		served.Wait()
		g.waitIdle()
		g.apply() // retires the endpoints, which closes their connections
	})
	return g
}

// snapshot makes the instances the service's only ones.
func (g *gateway) snapshot(instances ...catalog.Instance) {
	v := &catalog.Service{Name: "web", Instances: instances}
	g.set.Apply(&catalog.Snapshot{Source: "test", Services: map[string]*catalog.Service{"web": v}})
}

// apply makes the instances at the addresses the service's only ones.
func (g *gateway) apply(addresses ...string) {
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
	g.snapshot(all...)
}

// waitIdle waits until nothing is in flight, and fails when an endpoint thinks
// otherwise.
func (g *gateway) waitIdle() {
	g.t.Helper()
	eventually(g.t, "nothing in flight", func() bool { return g.proxy.InFlight() == 0 })
	for _, s := range g.set.Describe(time.Now()) {
		for _, e := range s.Endpoints {
			if e.InFlight != 0 {
				g.t.Errorf("endpoint %s has %d in flight at the end", e.Target, e.InFlight)
			}
		}
	}
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

// eventually polls for what has no event to wait for.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// await returns what the channel brings.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

// startInstance serves h on a loopback socket.
func startInstance(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveInstance(t, ln, h)
}

func serveInstance(t testing.TB, ln net.Listener, h http.HandlerFunc) string {
	t.Helper()
	s := &http.Server{Handler: h, ReadHeaderTimeout: patience, ErrorLog: log.New(io.Discard, "", 0)}
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(sniffing{ln}) })
	t.Cleanup(func() {
		s.Close()
		served.Wait()
	})
	return ln.Addr().String()
}

// startRaw runs script for each connection, one goroutine each.
func startRaw(t testing.TB, script func(n int, c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := sniffing{ln}.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			all.Go(func() {
				defer c.Close()
				script(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return ln.Addr().String()
}

// readHead reads a message's head, without its last empty line.
func readHead(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return b.String(), err
		}
		if line == "\r\n" {
			return b.String(), nil
		}
		b.WriteString(line)
	}
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

// do sends a request and reads the whole answer.
func do(t testing.TB, c *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the body: %v", r.Method, r.URL, err)
	}
	return resp, string(b)
}

func newRequest(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
