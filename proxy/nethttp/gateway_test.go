package nethttp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
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
	server   *nethttp.Server
	listener *proxy.Listener
	set      *upstream.Set
	pool     *upstream.Pool
	route    *proxy.Route
}

// setup changes a gateway before it starts.
type setup func(*proxy.Route, *nethttp.Options, *nethttp.ForwarderOptions)

func startGateway(t testing.TB, set setup, instances ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, listener: &proxy.Listener{Name: "test", Port: 80}}
	g.set = upstream.NewSet(upstream.Options{Sources: []string{"test"}, Seed: 1})
	var err error
	if g.pool, err = g.set.Pool(upstream.PoolSpec{Service: "web", Balance: "round_robin"}); err != nil {
		t.Fatal(err)
	}
	g.apply(instances...)

	g.route = &proxy.Route{
		Rule: router.Rule{Name: "web", PathPrefix: "/"}, Service: "web", Pool: g.pool,
		Timeout: patience, ConnectTimeout: patience, IdleTimeout: patience,
	}
	so := nethttp.Options{Listener: g.listener, ReadHeaderTimeout: patience, IdleTimeout: patience}
	fo := nethttp.ForwarderOptions{}
	if set != nil {
		set(g.route, &so, &fo)
	}
	table, err := proxy.NewTable(1, nil, []*proxy.Route{g.route})
	if err != nil {
		t.Fatal(err)
	}
	g.proxy = proxy.New(limits.NewClock(), nethttp.NewForwarder(fo))
	g.proxy.Swap(table)
	g.server = nethttp.New(g.proxy, so)
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
	s := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(ln) })
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
			c, err := ln.Accept()
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
