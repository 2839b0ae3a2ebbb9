package http3_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	quichttp3 "github.com/quic-go/quic-go/http3"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http1"
	"github.com/lictor/lictor/proxy/http3"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// patience is how long a test waits for what must happen. It is never reached
// by a test that passes.
const patience = time.Minute

// TestMain fails when a test has left a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leaked(); left != "" {
			_, _ = io.WriteString(os.Stderr, "goroutines left behind:\n"+left)
			code = 1
		}
	}
	os.Exit(code)
}

// leaked returns the goroutines that are still busy, after some patience with those
// that are about to end.
func leaked() string {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		var left []string
		for s := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if (strings.Contains(s, "quic-go") || strings.Contains(s, "lictor")) && !strings.Contains(s, "TestMain") {
				left = append(left, s)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return strings.Join(left, "\n\n")
		}
	}
}

// gateway is the whole request path: HTTP/3 on a loopback socket, net/http's terms,
// the pipeline, and our own client half in front of the instances.
type gateway struct {
	t        testing.TB
	addr     string
	url      string
	proxy    *proxy.Proxy
	server   *http3.Server
	listener *proxy.Listener
	set      *upstream.Set
	pool     *upstream.Pool
	route    *proxy.Route
	served   chan error
}

// settings are what a test may change before its gateway starts.
type settings struct {
	*http3.Options
	route     *proxy.Route
	gateway   []proxy.Step
	forwarder proxy.Forwarder // nil for our own engine's
}

func startGateway(t testing.TB, set func(*settings), instances ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, listener: &proxy.Listener{Name: "test", Port: 443}, served: make(chan error, 1)}
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
	o := &settings{route: g.route, Options: &http3.Options{
		Listener: g.listener, ReadHeaderTimeout: patience, IdleTimeout: patience,
		TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, MinVersion: tls.VersionTLS12},
	}}
	if set != nil {
		set(o)
	}
	table, err := proxy.NewTable(1, o.gateway, []*proxy.Route{g.route})
	if err != nil {
		t.Fatal(err)
	}
	if o.forwarder == nil {
		o.forwarder = http1.NewForwarder(http1.ForwarderOptions{})
	}
	g.proxy = proxy.New(limits.NewClock(), o.forwarder)
	g.proxy.Swap(table)
	if o.Handler == nil {
		o.Handler = nethttp.New(g.proxy, nethttp.Options{Listener: g.listener}).ServeConn
	}
	g.server = http3.New(*o.Options)
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	g.addr = socket.LocalAddr().String()
	g.url = "https://" + g.addr
	go func() { g.served <- g.server.Serve(socket) }()
	t.Cleanup(func() {
		g.server.Close()
		if err := await(t, "Serve to return", g.served); err != nil {
			t.Errorf("Serve: %v", err)
		}
		g.waitIdle()
		g.apply() // retires the endpoints, which closes their connections
	})
	return g
}

// apply makes the instances at the addresses the service's only ones.
func (g *gateway) apply(addresses ...string) {
	v := &catalog.Service{Name: "web"}
	for i, a := range addresses {
		ap := netip.MustParseAddrPort(a)
		v.Instances = append(v.Instances, catalog.Instance{
			Key: "node/" + string(rune('a'+i)), Weight: 1, Local: true, Address: ap.Addr().String(), Port: int(ap.Port()),
		})
	}
	g.set.Apply(&catalog.Snapshot{Source: "test", Services: map[string]*catalog.Service{"web": v}})
}

// waitIdle waits until nothing is in flight and nobody is connected.
func (g *gateway) waitIdle() {
	g.t.Helper()
	eventually(g.t, "nothing in flight", func() bool { return g.proxy.InFlight() == 0 })
	eventually(g.t, "no connection open", func() bool { return g.listener.Open.Load() == 0 })
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
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

// startInstance returns the address of an instance.
func startInstance(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// client is one that has a connection of its own.
type client struct {
	*http.Client
	transport *quichttp3.Transport
	quic      *quic.Transport
}

// newClient returns a client that trusts everybody. Its socket is closed with the
// test.
func newClient(t testing.TB, config *tls.Config) *client {
	t.Helper()
	if config == nil {
		config = &tls.Config{}
	}
	config.InsecureSkipVerify = true
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{quic: &quic.Transport{Conn: socket}}
	c.transport = &quichttp3.Transport{
		TLSClientConfig: config, DisableCompression: true,
		QUICConfig: &quic.Config{HandshakeIdleTimeout: patience, MaxIdleTimeout: patience},
		Dial: func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
			to, err := net.ResolveUDPAddr("udp", addr)
			if err != nil {
				return nil, err
			}
			return c.quic.DialEarly(ctx, to, tlsConf, conf)
		},
	}
	c.Client = &http.Client{
		Transport: c.transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { c.transport.Close(); c.quic.Close(); socket.Close() }) })
	return c
}

// do asks and reads the whole answer.
func do(t testing.TB, c *client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func newRequest(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func selfSigned(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: append(names, "localhost"),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
