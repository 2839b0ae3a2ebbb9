package agent

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// peer is an instance of some protocol: each connection is the function's.
func peer(t *testing.T, serve func(c net.Conn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, ln, serve)
	return netip.MustParseAddrPort(ln.Addr().String())
}

func serveOn(t *testing.T, ln net.Listener, serve func(c net.Conn)) {
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				serve(c)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); all.Wait() })
}

// greets says who it is at once, then sends back what it gets, to the end.
func greets(name string) func(net.Conn) {
	return func(c net.Conn) {
		fmt.Fprintf(c, "%s\n", name)
		_, _ = io.Copy(c, c)
		if h, ok := c.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
	}
}

// nobody is an address at which nobody listens, and nobody can until the test ends:
// it is the near end of a connection.
func nobody(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

const (
	tcpListener = "listener \"db\" {\n  address = \"127.0.0.1:0\"\n  protocol = \"tcp\"\n}\n"
	jsonLog     = "access_log {\n  format = \"json\"\n}\n"
)

func tcpRoute(name, service string, lines ...string) string {
	return fmt.Sprintf("tcp_route %q {\n  listener = \"db\"\n  service = %q\n  %s\n}\n", name, service, strings.Join(lines, "\n  "))
}

// lineClient is one that speaks lines.
type lineClient struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (g *gateway) connect() *lineClient {
	g.t.Helper()
	c, err := net.Dial("tcp", g.address().String())
	if err != nil {
		g.t.Fatal(err)
	}
	return inLines(g.t, c)
}

func inLines(t *testing.T, c net.Conn) *lineClient {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &lineClient{c, t, bufio.NewReader(c)}
}

func (c *lineClient) line() string {
	c.t.Helper()
	s, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%q, %v", s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

func (c *lineClient) says(text string) {
	c.t.Helper()
	fmt.Fprintln(c, text)
	if got := c.line(); got != text {
		c.t.Fatalf("%q came back as %q", text, got)
	}
}

// closed wants the gateway to close the connection without a byte.
func (c *lineClient) closed() {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if ne, ok := errors.AsType[net.Error](err); len(b) > 0 || ok && ne.Timeout() {
		c.t.Fatalf("%q, %v", b, err)
	}
}

// logged waits for the access log to have so many lines.
func (g *gateway) logged(n int) []map[string]any {
	g.t.Helper()
	var all []map[string]any
	eventually(g.t, fmt.Sprintf("%d lines of the access log", n), func() bool { return g.stdout.count("\n") >= n })
	for l := range strings.SplitSeq(strings.TrimSpace(g.stdout.String()), "\n") {
		var v map[string]any
		if err := json.Unmarshal([]byte(l), &v); err != nil {
			g.t.Fatalf("%v: %s", err, l)
		}
		all = append(all, v)
	}
	return all
}

// hasLogged waits for a line.
func (g *gateway) hasLogged(what string, is func(l map[string]any) bool) {
	g.t.Helper()
	eventually(g.t, what+" is logged", func() bool { return slices.ContainsFunc(g.logged(1), is) })
}

// TestPassage: both ways, with both ends, and all that is told of it.
func TestPassage(t *testing.T) {
	g := start(t, tcpListener+jsonLog+service("pg", peer(t, greets("one")))+tcpRoute("pg", "pg")).awaitReady()
	c := g.connect()
	if got := c.line(); got != "one" {
		t.Fatal(got)
	}
	c.says("hello")
	eventually(t, "an open connection is shown", func() bool {
		v := decode[struct {
			TCP []TCPRouteInfo `json:"tcp_routes"`
		}](t, g.api("GET", "/v1/routes"))
		return len(v.TCP) == 1 && v.TCP[0].Open == 1 && v.TCP[0].BytesIn == 6 && v.TCP[0].BytesOut == 10
	})
	big := strings.Repeat("x", 3<<20)
	go func() {
		_, _ = io.WriteString(c, big)
		_ = c.Conn.(*net.TCPConn).CloseWrite()
	}()
	if b, err := io.ReadAll(c.r); err != nil || string(b) != big {
		t.Fatalf("%d bytes came back, %v", len(b), err)
	}
	l := g.logged(1)[0]
	for key, want := range map[string]any{
		"protocol": "TCP", "listener": "db", "client": "127.0.0.1", "route": "pg", "service": "pg", "sni": "", "tls": false, "error": "",
		"bytes_in": float64(3<<20 + 6), "bytes_out": float64(3<<20 + 10), "retries": float64(0),
	} {
		if l[key] != want {
			t.Errorf("%s is %v, not %v", key, l[key], want)
		}
	}
	metrics := g.api("GET", "/v1/metrics").body
	for _, m := range []string{
		`lictor_tcp_connections_total{result="ended",route="pg"} 1`, `lictor_tcp_connections{route="pg"} 0`,
		`lictor_request_bytes_total{route="pg"} 3.145734e+06`, `lictor_in_flight{service="pg"} 0`,
		`lictor_connections_total{listener="db",result="accepted"} 1`,
	} {
		if !strings.Contains(metrics, m) {
			t.Errorf("no %s", m)
		}
	}
}

// TestPassageElsewhere: an instance that can't be connected to is benched, and
// another one tried; when there is none the connection is closed.
func TestPassageElsewhere(t *testing.T) {
	dead := nobody(t)
	g := start(t, tcpListener+jsonLog+service("pg", dead, peer(t, greets("two")))+tcpRoute("pg", "pg")).awaitReady()
	for range 4 {
		c := g.connect()
		if got := c.line(); got != "two" {
			t.Fatal(got)
		}
		c.Close()
	}
	retries := 0.0
	for _, l := range g.logged(4) {
		retries += l["retries"].(float64)
	}
	all := g.allSeries()
	if retries == 0 || all[`lictor_retries_total{cause="refused",service="pg"}`] != retries {
		t.Errorf("%v retries, and %v are counted", retries, all[`lictor_retries_total{cause="refused",service="pg"}`])
	}
	if all[`lictor_endpoints{service="pg",state="benched"}`] != 1 {
		t.Error("the instance is not benched")
	}
	g.accept(tcpListener + jsonLog + service("pg", dead) + tcpRoute("pg", "pg"))
	eventually(t, "the instance has gone", func() bool {
		c := g.connect()
		defer c.Close()
		_, err := c.r.ReadByte()
		return err != nil
	})
	g.hasLogged("that there is none", func(l map[string]any) bool { return strings.HasPrefix(fmt.Sprint(l["error"]), "instance-refused: ") })
	if m := g.api("GET", "/v1/metrics").body; !strings.Contains(m, `lictor_tcp_connections_total{result="failed",route="pg"} `) {
		t.Error("that is not counted")
	}
}

// TestPassagesBalanced: connections that stay count.
func TestPassagesBalanced(t *testing.T) {
	g := start(t, tcpListener+service("pg", peer(t, greets("a")), peer(t, greets("b")), peer(t, greets("c")))+tcpRoute("pg", "pg")).awaitReady()
	got := map[string]int{}
	for range 9 {
		got[g.connect().line()]++
	}
	if got["a"] != 3 || got["b"] != 3 || got["c"] != 3 {
		t.Errorf("%v", got)
	}
}

// TestPassageLimits: a limit on what is in flight holds as long as a connection
// does, another one counts connections, and ip_access says who may come.
func TestPassageLimits(t *testing.T) {
	one := service("pg", peer(t, greets("one")))
	g := start(t, tcpListener+jsonLog+one+"limit \"concurrency\" \"at_once\" {\n  max = 1\n}\n"+tcpRoute("pg", "pg", `limits = ["at_once"]`)).awaitReady()
	c := g.connect()
	c.line()
	g.connect().closed()
	c.Close()
	eventually(t, "the place is free again", func() bool {
		again := g.connect()
		defer again.Close()
		_, err := again.r.ReadByte()
		return err == nil
	})
	g.hasLogged("the refusal", func(l map[string]any) bool {
		return l["limit"] == "at_once" && l["error"] == "quota-exceeded" && l["bytes_out"] == 0.0
	})

	g.accept(tcpListener + jsonLog + one + "limit \"fixed_window\" \"often\" {\n  limit = 2\n  window = \"10000h\"\n}\n" + tcpRoute("pg", "pg", `limits = ["often"]`))
	g.connect().line()
	g.connect().line()
	g.connect().closed()

	g.accept(tcpListener + jsonLog + one + "gateway {\n  ip_access {\n    deny = [\"127.0.0.0/8\"]\n  }\n}\n" + tcpRoute("pg", "pg"))
	g.connect().closed()
	g.accept(tcpListener + jsonLog + one + tcpRoute("pg", "pg", "ip_access {\n    allow = [\"192.0.2.0/24\"]\n  }"))
	g.connect().closed()
	if m := g.api("GET", "/v1/metrics").body; !strings.Contains(m, `lictor_step_results_total{result="denied",route="pg",step="ip_access"} 2`) {
		t.Error("the refusals are not counted")
	}
	eventually(t, "they are counted by the route, too", func() bool {
		return strings.Contains(g.api("GET", "/v1/metrics").body, `lictor_tcp_connections_total{result="denied",route="pg"} `)
	})
}

// TestPassagesThroughReload: neither a reload nor the loss of route and instance
// ends a connection.
func TestPassagesThroughReload(t *testing.T) {
	g := start(t, tcpListener+service("pg", peer(t, greets("one")))+tcpRoute("pg", "pg")).awaitReady()
	c := g.connect()
	c.line()
	g.accept(tcpListener + service("pg", peer(t, greets("two"))) + tcpRoute("pg", "pg"))
	c.says("still here")
	eventually(t, "new connections go to the new instance", func() bool {
		other := g.connect()
		defer other.Close()
		name, _ := other.r.ReadString('\n')
		return name == "two\n"
	})
	g.accept(tcpListener)
	c.says("and still")
	g.connect().closed()
}

// TestPassagesDrain: the gateway waits for connections, and closes those that are
// there when its time is over.
func TestPassagesDrain(t *testing.T) {
	config := tcpListener + jsonLog + service("pg", peer(t, greets("one"))) + tcpRoute("pg", "pg")
	g := start(t, config+"drain {\n  timeout = \"1m\"\n}\n").awaitReady()
	c := g.connect()
	c.line()
	g.stop()
	eventually(t, "nobody listens any more", func() bool {
		other, err := net.Dial("tcp", g.address().String())
		if err == nil {
			other.Close()
		}
		return err != nil
	})
	c.says("in time")
	c.Close()
	g.await()

	g = start(t, config+"drain {\n  timeout = \"50ms\"\n}\n").awaitReady()
	c = g.connect()
	c.line()
	g.stop()
	c.closed()
	g.await()
	if l := g.logged(1)[0]; l["error"] != "the gateway has closed it" {
		t.Errorf("%v", l)
	}
}

// TestPassageIdle: silence ends a connection.
func TestPassageIdle(t *testing.T) {
	silent := peer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	g := start(t, tcpListener+jsonLog+service("pg", silent)+tcpRoute("pg", "pg", `idle_timeout = "30ms"`)).awaitReady()
	g.connect().closed()
	if l := g.logged(1)[0]; l["error"] != "nothing has passed for the route's idle timeout" {
		t.Errorf("%v", l)
	}
}

// TestPassageAnnounced: the instance is told whose connection it is, and of nobody
// else's bytes.
func TestPassageAnnounced(t *testing.T) {
	heads := make(chan string, 1)
	at := peer(t, func(c net.Conn) {
		b := make([]byte, 256)
		n, _ := io.ReadAtLeast(c, b, 28)
		heads <- string(b[:n])
	})
	g := start(t, tcpListener+service("pg", at)+tcpRoute("pg", "pg", `proxy_protocol = "v1"`)).awaitReady()
	c := g.connect()
	from, to := c.LocalAddr().(*net.TCPAddr), c.RemoteAddr().(*net.TCPAddr)
	if got, want := <-heads, fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n", from.Port, to.Port); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	g.accept(tcpListener + service("pg", at) + tcpRoute("pg", "pg", `proxy_protocol = "v2"`))
	c = g.connect()
	from = c.LocalAddr().(*net.TCPAddr)
	want := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01" +
		string([]byte{byte(from.Port >> 8), byte(from.Port), byte(to.Port >> 8), byte(to.Port)})
	if got := <-heads; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

// identity is a certificate for these names, and the files that it is in.
func identity(t *testing.T, names ...string) (tls.Certificate, string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour * 24 * 30)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyText := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, string(certText))
	write(t, keyFile, string(keyText))
	return pair, cert, keyFile
}

// secretPeer is an instance that speaks TLS itself.
func secretPeer(t *testing.T, name string, c *tls.Config) netip.AddrPort {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, ln, greets(name))
	return netip.MustParseAddrPort(ln.Addr().String())
}

// asks makes a TLS connection to the gateway for a name.
func (g *gateway) asks(name string, protocols ...string) (*lineClient, tls.ConnectionState, error) {
	g.t.Helper()
	c, err := tls.Dial("tcp", g.address().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: protocols})
	if err != nil {
		return nil, tls.ConnectionState{}, err
	}
	return inLines(g.t, c), c.ConnectionState(), nil
}

// TestPassageByName: TLS goes through to the instance that has the name's route.
func TestPassageByName(t *testing.T) {
	one, _, _ := identity(t, "a.example.com")
	two, _, _ := identity(t, "*.example.com")
	config := tcpListener + jsonLog +
		service("a", secretPeer(t, "a", &tls.Config{Certificates: []tls.Certificate{one}})) +
		service("any", secretPeer(t, "any", &tls.Config{Certificates: []tls.Certificate{two}, NextProtos: []string{"postgresql"}})) +
		tcpRoute("a", "a", `sni = ["a.example.com"]`) + tcpRoute("any", "any", `sni = ["*.Example.com."]`)
	g := start(t, config).awaitReady()
	for name, want := range map[string]string{"a.example.com": "a", "A.EXAMPLE.com": "a", "b.example.com": "any", "x.y.example.com": "any"} {
		c, state, err := g.asks(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := c.line(); got != want || state.PeerCertificates[0].DNSNames[0] == "a.example.com" != (want == "a") {
			t.Errorf("%s: %s", name, got)
		}
		c.says("secret")
		c.Close()
	}
	if _, state, err := g.asks("b.example.com", "postgresql"); err != nil || state.NegotiatedProtocol != "postgresql" {
		t.Errorf("%v %v", state.NegotiatedProtocol, err)
	}
	for _, name := range []string{"example.com", "example.org", ""} {
		_, _, err := g.asks(name)
		if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%q: %v", name, err)
		}
	}
	c := g.connect()
	c.sends("GET / HTTP/1.1\r\n\r\n")
	c.closed()
	seen := map[any]bool{}
	for _, l := range g.logged(8) {
		seen[fmt.Sprintf("%v/%v/%v", l["protocol"], l["sni"], l["route"])] = true
		if l["route"] == "-" && l["error"] != "no-route" {
			t.Errorf("%v", l)
		}
	}
	for _, want := range []string{"TLS/a.example.com/a", "TLS/x.y.example.com/any", "TLS/example.org/-", "TCP//-"} {
		if !seen[want] {
			t.Errorf("no %s in %v", want, seen)
		}
	}

	g.accept(config + tcpRoute("rest", "rest") + service("rest", peer(t, greets("rest"))))
	eventually(t, "who is not TLS goes to the rest", func() bool {
		c := g.connect()
		defer c.Close()
		c.sends("hello\n")
		b, err := c.r.ReadString('\n')
		return err == nil && b == "rest\n"
	})
}

// sends writes without wanting an answer.
func (c *lineClient) sends(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// TestPassageTerminated: the listener's certificate is shown, what it says is in
// clear behind, and names may go through all the same.
func TestPassageTerminated(t *testing.T) {
	_, cert, key := identity(t, "db.example.com")
	other, _, _ := identity(t, "through.example.com")
	g := start(t, fmt.Sprintf("listener \"db\" {\n  address = \"127.0.0.1:0\"\n  protocol = \"tcp\"\n  tls {\n    certificate {\n      cert_file = %q\n      key_file = %q\n    }\n  }\n}\n", cert, key)+
		jsonLog+service("pg", peer(t, greets("clear")))+service("secret", secretPeer(t, "secret", &tls.Config{Certificates: []tls.Certificate{other}}))+
		tcpRoute("pg", "pg")+tcpRoute("through", "secret", `sni = ["through.example.com"]`)).awaitReady()
	c, state, err := g.asks("db.example.com", "postgresql")
	if err != nil || state.PeerCertificates[0].DNSNames[0] != "db.example.com" {
		t.Fatalf("%v", err)
	}
	if got := c.line(); got != "clear" {
		t.Error(got)
	}
	c.says("hello")
	if err := c.Conn.(*tls.Conn).CloseWrite(); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
		t.Errorf("%q %v", b, err)
	}
	if l := g.logged(1)[0]; l["tls"] != true || l["sni"] != "db.example.com" || l["error"] != "" {
		t.Errorf("%v", l)
	}
	if c, _, err = g.asks("through.example.com"); err != nil || c.line() != "secret" {
		t.Errorf("%v", err)
	}
}

// TestPassageBesideHTTP: on a listener of HTTP with TLS the names of routes for
// connections go through, and everybody else is served.
func TestPassageBesideHTTP(t *testing.T) {
	_, cert, key := identity(t, "www.example.com")
	other, _, _ := identity(t, "db.example.com")
	listener := fmt.Sprintf("listener \"db\" {\n  address = \"127.0.0.1:0\"\n  tls {\n    certificate {\n      cert_file = %q\n      key_file = %q\n    }\n  }\n}\n", cert, key)
	web := listener + service("web", says(t, "web")) + route("web", "/", "web")
	g := start(t, web).awaitReady()
	served := func() {
		t.Helper()
		for _, protocol := range []string{"http/1.1", "h2"} {
			c, state, err := g.asks("www.example.com", protocol)
			if err != nil || state.NegotiatedProtocol != protocol {
				t.Fatalf("%s: %v %q", protocol, err, state.NegotiatedProtocol)
			}
			if protocol == "http/1.1" {
				fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
				if got := c.line(); !strings.HasPrefix(got, "HTTP/1.1 200") {
					t.Errorf("%s", got)
				}
			}
			c.Close()
		}
	}
	served()
	g.accept(web + service("pg", secretPeer(t, "pg", &tls.Config{Certificates: []tls.Certificate{other}})) + tcpRoute("pg", "pg", `sni = ["db.example.com"]`))
	served()
	c, state, err := g.asks("db.example.com")
	if err != nil || state.PeerCertificates[0].DNSNames[0] != "db.example.com" || c.line() != "pg" {
		t.Fatalf("%v", err)
	}
	c.says("hello")
	served()
	g.accept(web)
	c.says("still here")
	served()
}
