package http3_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	quichttp3 "github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// relay stands between clients and a gateway and sees every datagram. It can keep
// handshakes from ending: then it lets nothing pass of a client but its first
// flight, which is what somebody who replays one has.
type relay struct {
	addr    string
	gateway *net.UDPAddr
	front   *net.UDPConn
	work    sync.WaitGroup

	mu      sync.Mutex
	holding bool
	keeping bool // lets nothing pass at all
	flight  [][]byte
	early   int // bytes of 0-RTT in it
	from    *net.UDPAddr
	backs   map[string]*net.UDPConn // by the client's address
}

func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	r := &relay{backs: map[string]*net.UDPConn{}}
	var err error
	if r.gateway, err = net.ResolveUDPAddr("udp", to); err != nil {
		t.Fatal(err)
	}
	if r.front, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	r.addr = r.front.LocalAddr().String()
	r.work.Go(r.forth)
	t.Cleanup(func() {
		r.front.Close()
		r.mu.Lock()
		for _, b := range r.backs {
			b.Close()
		}
		r.mu.Unlock()
		r.work.Wait()
	})
	return r
}

// open lets everything through again.
func (r *relay) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holding = false
}

// forth carries from clients to the gateway.
func (r *relay) forth() {
	buf := make([]byte, 2048)
	for {
		n, from, err := r.front.ReadFromUDP(buf)
		if err != nil {
			return
		}
		r.pass(buf[:n], from)
	}
}

func (r *relay) pass(b []byte, from *net.UDPAddr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holding {
		early, ok := firstFlight(b)
		if !ok {
			return
		}
		if r.keeping {
			r.flight, r.early = append(r.flight, slices.Clone(b)), r.early+early
			r.from = from
			return
		}
	}
	r.deliverLocked(b, from)
}

func (r *relay) deliverLocked(b []byte, from *net.UDPAddr) {
	back := r.backs[from.String()]
	if back == nil {
		var err error
		if back, err = net.DialUDP("udp", nil, r.gateway); err != nil {
			return
		}
		r.backs[from.String()] = back
		r.work.Go(func() { r.back(back, from) })
	}
	_, _ = back.Write(b) // a loss, to QUIC
}

func (r *relay) back(from *net.UDPConn, to *net.UDPAddr) {
	buf := make([]byte, 2048)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		_, _ = r.front.WriteToUDP(buf[:n], to) // a loss, to QUIC
	}
}

// keep holds back all that a client sends, from now on.
func (r *relay) keep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holding, r.keeping = true, true
}

// large is a target that is known by its size to be in a first flight, and what was
// sent before it with it.
var large = "/large?" + strings.Repeat("0", 4<<10)

// releaseLarge waits for a request with the large target, delivers what was held
// back, and returns it. The relay goes on holding.
func (r *relay) releaseLarge(t *testing.T) [][]byte {
	t.Helper()
	eventually(t, "the request is in the first flight", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.early > len(large)/2 // which QPACK makes smaller by a bit
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keeping = false
	for _, b := range r.flight {
		r.deliverLocked(b, r.from)
	}
	return r.flight
}

// firstFlight reports whether a datagram holds Initial and 0-RTT packets only (RFC
// 9000 section 17.2), and how many bytes the latter have.
func firstFlight(b []byte) (early int, ok bool) {
	for len(b) > 0 && b[0] != 0 { // padding may follow
		if b[0]&0x80 == 0 || b[0]>>4&3 > 1 {
			return 0, false
		}
		initial := b[0]>>4&3 == 0
		at := 5
		for range 2 { // connection IDs
			at += 1 + int(b[at])
		}
		if initial { // a token
			n, size, _ := quicvarint.Parse(b[at:])
			at += size + int(n)
		}
		n, size, _ := quicvarint.Parse(b[at:])
		b = b[at+size+int(n):]
		if !initial {
			early += int(n)
		}
	}
	return early, true
}

// returning is a client that has been at the gateway before.
type returning struct {
	t      *testing.T
	tls    *tls.Config
	config *quic.Config
	quic   *quic.Transport
}

// newReturning lets a client get a session's ticket and, if it wants to keep those,
// a token.
func newReturning(t *testing.T, addr string, tokens quic.TokenStore) *returning {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c := &returning{t: t, quic: &quic.Transport{Conn: socket}}
	c.tls = &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"h3"}, ClientSessionCache: tls.NewLRUClientSessionCache(10)}
	c.config = &quic.Config{HandshakeIdleTimeout: patience, MaxIdleTimeout: patience, TokenStore: tokens}
	t.Cleanup(func() { c.quic.Close(); socket.Close() })
	got := make(chan struct{})
	cache := &watchedCache{ClientSessionCache: c.tls.ClientSessionCache, got: sync.OnceFunc(func() { close(got) })}
	c.tls.ClientSessionCache = cache
	conn := c.dial(addr)
	if status := conn.ask("GET", "/before"); status != 200 {
		t.Fatalf("the first visit: %d", status)
	}
	await(t, "a ticket", got)
	if err := conn.quic.CloseWithError(quic.ApplicationErrorCode(quichttp3.ErrCodeNoError), ""); err != nil {
		t.Fatal(err)
	}
	return c
}

// watchedCache tells when it is given a ticket.
type watchedCache struct {
	tls.ClientSessionCache
	got func()
}

func (c *watchedCache) Put(key string, s *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, s)
	if s != nil {
		c.got()
	}
}

// visit is one connection.
type visit struct {
	t    *testing.T
	addr string
	quic *quic.Conn
	http *quichttp3.ClientConn
}

// dial opens a connection of a client that has never been there.
func dial(t *testing.T, addr string) *visit {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c := &returning{t: t, quic: &quic.Transport{Conn: socket}}
	c.tls = &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"h3"}}
	c.config = &quic.Config{HandshakeIdleTimeout: patience, MaxIdleTimeout: patience}
	t.Cleanup(func() { c.quic.Close(); socket.Close() })
	return c.dial(addr)
}

func (c *returning) dial(addr string) *visit {
	c.t.Helper()
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	conn, err := c.quic.DialEarly(ctx, to, c.tls, c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	return &visit{t: c.t, addr: addr, quic: conn, http: (&quichttp3.Transport{}).NewClientConn(conn)}
}

// send begins a request without waiting for the handshake. It has no body.
func (v *visit) send(method, path string) *quichttp3.RequestStream {
	v.t.Helper()
	s, err := v.http.OpenRequestStream(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	r := newRequest(v.t, method, "https://"+v.addr+path, nil)
	if method == "POST" {
		r.Header.Set("Content-Length", "0")
	}
	if err := s.SendRequestHeader(r); err != nil {
		v.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		v.t.Fatal(err)
	}
	return s
}

// answer returns the status of the response.
func (v *visit) answer(s *quichttp3.RequestStream) int {
	v.t.Helper()
	resp, err := s.ReadResponse()
	if err != nil {
		v.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func (v *visit) ask(method, path string) int { return v.answer(v.send(method, path)) }

// arrival is a request as the instance sees it.
type arrival struct{ method, path, early string }

func arrivals(t *testing.T) (<-chan arrival, string) {
	t.Helper()
	c := make(chan arrival, 100)
	return c, startInstance(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/before" {
			c <- arrival{r.Method, r.URL.Path, r.Header.Get("Early-Data")}
		}
	})
}

func early(s *settings) { s.EarlyData = true }

// TestEarlyData: before the handshake is over, a safe request is served and marked,
// and an unsafe one waits.
func TestEarlyData(t *testing.T) {
	seen, instance := arrivals(t)
	g := startGateway(t, early, instance)
	r := startRelay(t, g.addr)
	c := newReturning(t, g.addr, quic.NewLRUTokenStore(10, 10))
	r.keep()
	v := c.dial(r.addr)
	get, head, post := v.send("GET", "/get"), v.send("HEAD", "/head"), v.send("POST", large)
	r.releaseLarge(t)
	if status := v.answer(get); status != 200 {
		t.Errorf("GET: %d", status)
	}
	if status := v.answer(head); status != 200 {
		t.Errorf("HEAD: %d", status)
	}
	for range 2 {
		if a := await(t, "an early request", seen); a.method == "POST" || a.early != "1" {
			t.Errorf("before the handshake is over the instance saw %+v", a)
		}
	}
	if len(seen) > 0 {
		t.Errorf("before the handshake is over the instance saw %+v", <-seen)
	}
	r.open()
	if status := v.answer(post); status != 200 {
		t.Errorf("POST: %d", status)
	}
	if a := await(t, "the POST", seen); a != (arrival{"POST", "/large", ""}) {
		t.Errorf("then it saw %+v", a)
	}
	if status := v.ask("GET", "/late"); status != 200 {
		t.Errorf("a later GET: %d", status)
	}
	if a := await(t, "the later GET", seen); a.early != "" {
		t.Errorf("at last it saw %+v", a)
	}
	if !v.quic.ConnectionState().Used0RTT {
		t.Error("the client did not use 0-RTT at all")
	}
}

// TestReplay sends a client's first flight again. The POST in it is not done twice.
func TestReplay(t *testing.T) {
	t.Parallel()
	seen, instance := arrivals(t)
	g := startGateway(t, early, instance)
	r := startRelay(t, g.addr)
	c := newReturning(t, g.addr, quic.NewLRUTokenStore(10, 10))
	r.keep()
	v := c.dial(r.addr)
	get, post := v.send("GET", "/get"), v.send("POST", large)
	recorded := r.releaseLarge(t)
	v.answer(get)
	await(t, "the GET", seen)
	r.open()
	v.answer(post)
	await(t, "the POST", seen)
	if err := v.quic.CloseWithError(quic.ApplicationErrorCode(quichttp3.ErrCodeNoError), ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client's connection is closed", func() bool { return g.listener.Open.Load() == 0 })

	again, err := net.DialUDP("udp", nil, r.gateway)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	// For some seconds the connection's end is all that its datagrams bring about.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); len(seen) == 0; {
		if time.Now().After(end) {
			t.Fatal("the replay is not noticed at all")
		}
		for _, b := range recorded {
			if _, err := again.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		<-tick.C
	}
	if a := await(t, "the replayed GET", seen); a != (arrival{"GET", "/get", "1"}) {
		t.Errorf("the instance saw %+v", a)
	}
	if len(seen) > 0 {
		t.Errorf("the instance saw %+v again", <-seen)
	}
	if err := g.server.Close(); err != nil { // the replay's connection would go on waiting
		t.Fatal(err)
	}
	g.waitIdle()
	if len(seen) > 0 {
		t.Errorf("the instance saw %+v again", <-seen)
	}
}

// TestEarlyDataOfStrangers: who does not prove the address that it claims is not
// served before it has.
func TestEarlyDataOfStrangers(t *testing.T) {
	seen, instance := arrivals(t)
	g := startGateway(t, early, instance)
	r := startRelay(t, g.addr)
	c := newReturning(t, g.addr, nil)
	accepted := g.listener.Accepted.Load()
	r.keep()
	v := c.dial(r.addr)
	get, post := v.send("GET", "/get"), v.send("POST", large)
	r.releaseLarge(t)
	eventually(t, "the first flight is there", func() bool { return g.listener.Accepted.Load() > accepted })
	r.open()
	if status := v.answer(get); status != 200 {
		t.Errorf("GET: %d", status)
	}
	if status := v.answer(post); status != 200 {
		t.Errorf("POST: %d", status)
	}
	for range 2 {
		if a := await(t, "a request", seen); a.early != "" {
			t.Errorf("the instance saw %+v", a)
		}
	}
	if !v.quic.ConnectionState().Used0RTT {
		t.Error("the client did not use 0-RTT at all")
	}
}

// TestNoEarlyData is what nobody has to ask for.
func TestNoEarlyData(t *testing.T) {
	seen, instance := arrivals(t)
	g := startGateway(t, nil, instance)
	c := newReturning(t, g.addr, quic.NewLRUTokenStore(10, 10))
	v := c.dial(g.addr)
	if status := v.ask("GET", "/get"); status != 200 {
		t.Errorf("GET: %d", status)
	}
	if a := await(t, "the GET", seen); a.early != "" {
		t.Errorf("the instance saw %+v", a)
	}
	if s := v.quic.ConnectionState(); s.Used0RTT || !s.TLS.DidResume {
		t.Errorf("0-RTT: %t; resumed: %t", s.Used0RTT, s.TLS.DidResume)
	}
}

// TestTicketsOutliveCertificates: a session goes on with another certificate.
func TestTicketsOutliveCertificates(t *testing.T) {
	seen, instance := arrivals(t)
	g := startGateway(t, func(s *settings) {
		certificate := selfSigned(t)
		s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{Certificates: []tls.Certificate{certificate}}, nil // another one at each handshake
		}}
	}, instance)
	c := newReturning(t, g.addr, nil)
	v := c.dial(g.addr)
	v.ask("GET", "/get")
	await(t, "the GET", seen)
	if !v.quic.ConnectionState().TLS.DidResume {
		t.Error("the ticket was not taken")
	}
}
