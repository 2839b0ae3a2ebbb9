package http1_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http1"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

func TestPipelining(t *testing.T) { conformance(t, tPipelining) }

func tPipelining(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	c := g.dial()
	go c.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n" +
		"POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ntwo" +
		"\r\nPOST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n" +
		"PUT /4 HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("f", 70_000) +
		"HEAD /5 HTTP/1.1\r\nHost: x\r\n\r\n" +
		"GET /6 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	for i, want := range []string{"", "two", "three", strings.Repeat("f", 70_000), "", ""} {
		method := "GET"
		if i == 4 {
			method = "HEAD"
		}
		resp, body := c.response(method)
		if saw := resp.Header.Get("X-Saw"); resp.StatusCode != 200 || body != want || !strings.Contains(saw, fmt.Sprintf(" /%d ", i+1)) {
			t.Fatalf("answer %d: %d, %d bytes, saw %q", i+1, resp.StatusCode, len(body), saw)
		}
	}
	if _, err := c.r.ReadByte(); err != io.EOF {
		t.Errorf("after the last answer: %v", err)
	}
}

func TestHTTP10KeepAlive(t *testing.T) { conformance(t, tHTTP10KeepAlive) }

func tHTTP10KeepAlive(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	c := g.dial()
	for range 3 {
		c.send("POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
		resp, body := c.response("POST")
		if resp.StatusCode != 200 || body != "ok" || !strings.EqualFold(resp.Header.Get("Connection"), "keep-alive") {
			t.Fatalf("%d %q %v", resp.StatusCode, body, resp.Header)
		}
	}
}

// TestUnreadBodies has requests whose body nobody asks for. Where the rest of it
// is cheap to read the connection goes on; where it is not, the client still gets
// its answer.
func TestUnreadBodies(t *testing.T) {
	t.Parallel()
	conformance(t, tUnreadBodies)
}

func tUnreadBodies(t *testing.T, e engine) {
	g := startGateway(t, e, nil) // every request is a 503
	for name, c := range map[string]struct {
		head, body string
		goesOn     bool
	}{
		"here":          {"Content-Length: 4\r\n", "body", true},
		"small":         {"Content-Length: 100000\r\n", strings.Repeat("x", 100_000), true},
		"chunked":       {"Transfer-Encoding: chunked\r\n", "186a0\r\n" + strings.Repeat("x", 100_000) + "\r\n0\r\n\r\n", true},
		"large":         {"Content-Length: 5000000\r\n", strings.Repeat("x", 5_000_000), false},
		"broken chunks": {"Transfer-Encoding: chunked\r\n", "4\r\nbodynonsense", false},
	} {
		conn := g.dial()
		conn.send("POST / HTTP/1.1\r\nHost: x\r\n" + c.head + "\r\n")
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(conn, c.body)
			sent <- err
		}()
		if resp, _ := conn.response("POST"); resp.StatusCode != 503 {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
		if err := loopback.Await(t, "the end of the upload", sent); err != nil && c.goesOn {
			t.Errorf("%s: %v", name, err)
		}
		if !c.goesOn {
			continue
		}
		conn.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, _ := conn.response("GET"); resp.StatusCode != 503 {
			t.Errorf("%s: the next request got %d", name, resp.StatusCode)
		}
	}
}

// bothWays runs a test with the engine, and with connections to whose sockets it
// has no short way.
func bothWays(t *testing.T, test func(*testing.T, engine)) {
	t.Helper()
	for name, e := range ways {
		t.Run(name, func(t *testing.T) { test(t, e) })
	}
}

var ways = map[string]engine{"short": ours, "long": wrapped(ours)}

func TestHalfClosedClientGetsItsAnswers(t *testing.T) {
	t.Parallel()
	bothWays(t, tHalfClosedClientGetsItsAnswers)
}

func tHalfClosedClientGetsItsAnswers(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	c := g.dial()
	c.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok")
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.response("GET")
	if _, body := c.response("POST"); body != "ok" {
		t.Errorf("body %q", body)
	}
	if _, err := c.r.ReadByte(); err != io.EOF {
		t.Errorf("after the last answer: %v", err)
	}
	loopback.Eventually(t, "the connection is closed", func() bool { return g.Listener.Open.Load() == 0 })
}

// TestRefusals has what is no request. It is answered by the pipeline all the
// same: with an id, a problem document and a place in the counters.
func TestRefusals(t *testing.T) { bothWays(t, tRefusals) }

func tRefusals(t *testing.T, e engine) {
	g := startGateway(t, e, func(_ *proxy.Route, o *options) { o.MaxHeaderBytes = 4096 }, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	for name, c := range map[string]struct {
		raw     string
		status  int
		problem string
	}{
		"no HTTP":       {"hello\r\n\r\n", 400, "malformed"},
		"two lengths":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "malformed"},
		"both framings": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "malformed"},
		"no host":       {"GET / HTTP/1.1\r\n\r\n", 400, "malformed"},
		"unknown codes": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "malformed"},
		"HTTP/2":        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "malformed"},
		"bare LF":       {"GET / HTTP/1.1\nHost: x\n\n", 400, "malformed"},
		"huge head":     {"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("b", 5000), 431, "head-too-large"},
		"many fields":   {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", proxy.MaxFields+1) + "\r\n", 431, "head-too-large"},
		"TLS":           {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed"},
	} {
		conn := g.dial()
		conn.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		conn.response("GET")
		conn.send(c.raw)
		resp, body := conn.response("GET")
		if resp.StatusCode != c.status || !strings.Contains(body, `"urn:lictor:problem:`+c.problem+`"`) || !resp.Close {
			t.Errorf("%s: %d %s %v", name, resp.StatusCode, body, resp.Header)
		}
		if id := resp.Header.Get("X-Request-Id"); id == "" || !strings.Contains(body, id) {
			t.Errorf("%s: request id %q in %s", name, id, body)
		}
		if _, err := conn.r.ReadByte(); err != io.EOF {
			t.Errorf("%s: after the answer: %v", name, err)
		}
	}
	g.WaitIdle()
	n := uint64(0)
	g.Proxy.EachAnswerCount(func(_ string, k uint64) { n += k })
	if n != 10 {
		t.Errorf("%d answers of the gateway's own were counted, want 10", n)
	}
}

// bare is a pipeline that can't refuse.
type bare struct{ proxy.Handler }

func TestRefusalWithoutAPipeline(t *testing.T) {
	l := &proxy.Listener{Name: "test"}
	s := http1.New(bare{}, http1.Options{Listener: l})
	c := serveOne(t, s)
	c.send("hello\r\n\r\n")
	if resp, body := c.response("GET"); resp.StatusCode != 400 || !strings.Contains(body, "urn:lictor:problem:malformed") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// serveOne starts a server and connects to it.
func serveOne(t *testing.T, s *http1.Server) *rawClient {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		if err := loopback.Await(t, "Serve", served); err != nil {
			t.Error(err)
		}
	})
	return (&gateway{t: t, Gateway: &loopback.Gateway{T: t, Addr: ln.Addr().String()}}).dial()
}

// dribble sends bytes one by one until the other end is tired of it.
func dribble(c *rawClient, s string) {
	for i := range len(s) {
		if _, err := c.Write([]byte{s[i]}); err != nil {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// testSlowHeadsAreGivenUp has clients that keep a connection busy with little.
func testSlowHeadsAreGivenUp(t *testing.T, e engine) {
	g := startGateway(t, e, func(_ *proxy.Route, o *options) { o.ReadHeaderTimeout = shortTime }, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	forever := "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 100_000)
	type slow struct {
		first bool
		send  string
	}
	atOnce(t, map[string]slow{
		"nothing": {}, "a part": {send: "GET / HT"}, "bit by bit": {send: forever},
		"a part of the second": {first: true, send: "GET / HT"}, "the second bit by bit": {first: true, send: forever},
	}, func(t *testing.T, s slow) {
		conn := (&gateway{t: t, Gateway: &loopback.Gateway{T: t, Addr: g.Addr}}).dial()
		if s.first {
			conn.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			conn.response("GET")
		}
		var all sync.WaitGroup
		all.Go(func() { dribble(conn, s.send) })
		if b, _ := io.ReadAll(conn.r); len(b) > 0 {
			t.Errorf("got %q", b)
		}
		conn.Close()
		all.Wait()
	})
	loopback.Eventually(t, "the connections are closed", func() bool { return g.Listener.Open.Load() == 0 })
}

func TestIdleConnectionsAreClosed(t *testing.T) { bothWays(t, tIdleConnectionsAreClosed) }

func tIdleConnectionsAreClosed(t *testing.T, e engine) {
	g := startGateway(t, e, func(_ *proxy.Route, o *options) { o.IdleTimeout = 20 * time.Millisecond }, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.response("GET")
	if _, err := c.r.ReadByte(); err != io.EOF {
		t.Errorf("%v", err)
	}
}

// testSlowExchangeDoesNotEndTheConnection has an exchange that takes longer than
// the connection may be idle.
func testSlowExchangeDoesNotEndTheConnection(t *testing.T, e engine) {
	g := startGateway(t, e, func(_ *proxy.Route, o *options) { o.IdleTimeout = shortTime }, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(longTime) // is the subject here
		}
		echo(w, r)
	}))
	c := g.dial()
	for _, path := range []string{"/", "/slow", "/"} {
		c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, _ := c.response("GET"); resp.StatusCode != 200 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// testStalledDownloadIsGivenUp has a client that takes nothing any more.
func testStalledDownloadIsGivenUp(t *testing.T, e engine) {
	g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.IdleTimeout = shortTime }, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, zeros{}, 64<<20)
	}))
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.head()
	loopback.Eventually(t, "the exchange is over", func() bool { return g.Proxy.InFlight() == 0 })
}

func TestShutdownClosesIdleConnectionsAtOnce(t *testing.T) {
	bothWays(t, tShutdownClosesIdleConnectionsAtOnce)
}

func tShutdownClosesIdleConnectionsAtOnce(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	used, fresh, partial := g.dial(), g.dial(), g.dial()
	used.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	used.response("GET")
	partial.send("GET / HTTP/1.1\r\nHo")
	loopback.Eventually(t, "three connections", func() bool { return g.Listener.Open.Load() == 3 })
	down := make(chan error, 1)
	go func() { down <- g.server.Shutdown(t.Context()) }()
	for _, c := range []*rawClient{used, fresh} {
		if _, err := c.r.ReadByte(); err != io.EOF {
			t.Errorf("an idle connection ended with %v", err)
		}
	}
	partial.send("st: x\r\n\r\n") // a request that has begun is in flight
	if resp, _ := partial.response("GET"); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if err := loopback.Await(t, "Shutdown", down); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsWhatIsInFlight(t *testing.T) { bothWays(t, tCloseEndsWhatIsInFlight) }

func tCloseEndsWhatIsInFlight(t *testing.T, e engine) {
	arrived, canceled := make(chan struct{}), make(chan struct{})
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(canceled)
	}))
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	loopback.Await(t, "the request", arrived)
	g.server.Close()
	loopback.Await(t, "the end of the request at the instance", canceled)
	if _, err := c.r.ReadByte(); err == nil {
		t.Error("an answer came")
	}
	g.WaitIdle()
}

// TestShutdownCutsNoAnswer has clients that send one request after the other
// meanwhile. A connection may be closed before a request is answered, as any idle
// one may, but never within an answer.
func TestShutdownCutsNoAnswer(t *testing.T) { bothWays(t, tShutdownCutsNoAnswer) }

func tShutdownCutsNoAnswer(t *testing.T, e engine) {
	body := string(pattern(100_000))
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	var clients sync.WaitGroup
	warm := make(chan struct{}, 8)
	for range 8 {
		c := g.dial()
		clients.Go(func() {
			for n := 0; ; n++ {
				if n == 3 {
					warm <- struct{}{}
				}
				if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					return
				}
				if _, err := c.r.Peek(1); err != nil {
					return
				}
				resp, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Errorf("an answer's head was cut: %v", err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != 200 || string(got) != body {
					t.Errorf("an answer was cut: %d, %d bytes, %v", resp.StatusCode, len(got), err)
				}
				if resp.Close {
					return
				}
			}
		})
	}
	for range 8 {
		loopback.Await(t, "clients at work", warm)
	}
	if err := g.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	clients.Wait()
}

// chanListener is a listener that is given its connections.
type chanListener struct {
	net.Listener
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *chanListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *chanListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// TestHTTP2IsHandedOver has both engines behind one port, with and without TLS.
func TestHTTP2IsHandedOver(t *testing.T) {
	for _, secure := range []bool{false, true} {
		g := startGateway(t, ours, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+r.Header.Get("Via"))
		}))
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		handed := &chanListener{Listener: ln, conns: make(chan net.Conn, 4), done: make(chan struct{})}
		l := &proxy.Listener{Name: "both", Port: 80}
		o := http1.Options{Listener: l, ReadHeaderTimeout: loopback.Patience, H2: func(c net.Conn) {
			if n := l.Open.Add(-1); n < 0 { // whoever accepts it counts it
				t.Errorf("%d connections count while one is handed over", n+1)
			}
			l.Accepted.Add(^uint64(0))
			handed.conns <- c
		}}
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(!secure)
		protocols.SetHTTP1(true)
		url, name := "http://", "http"
		second := interface {
			Serve(net.Listener) error
			Close() error
		}(nethttp.New(g.Proxy, nethttp.Options{Listener: l}))
		if secure {
			url, name = "https://", "https"
			o.TLS = &tls.Config{Certificates: []tls.Certificate{loopback.SelfSigned(t)}, MinVersion: tls.VersionTLS12}
			second = http2Only(t)
		}
		first := http1.New(g.Proxy, o)
		var served sync.WaitGroup
		served.Go(func() { _ = first.Serve(ln) })
		served.Go(func() { _ = second.Serve(handed) })
		for _, version := range []int{1, 2} {
			p := new(http.Protocols)
			p.SetHTTP1(version == 1)
			p.SetHTTP2(version == 2 && secure)
			p.SetUnencryptedHTTP2(version == 2 && !secure)
			client := g.client()
			client.Transport = &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			for range 2 {
				resp, body := loopback.Do(t, client, loopback.NewRequest(t, "GET", url+ln.Addr().String()+"/", nil))
				want := fmt.Sprintf("%s %d.", name, version)
				if resp.ProtoMajor != version || !strings.HasPrefix(body, want) {
					t.Errorf("HTTP/%d: %s, the instance saw %q, want %q", version, resp.Proto, body, want)
				}
			}
			client.CloseIdleConnections()
		}
		first.Close()
		second.Close()
		served.Wait()
		loopback.Eventually(t, "no connection counts", func() bool { return l.Open.Load() == 0 })
		if n := l.Accepted.Load(); !secure && n != 2 {
			t.Errorf("%d connections were counted, want 2", n)
		}
	}
}

// http2Only stands for an engine that takes connections whose handshake is done.
func http2Only(t *testing.T) *http.Server {
	t.Helper()
	return &http.Server{ReadHeaderTimeout: loopback.Patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "https %d.0", r.ProtoMajor)
	}), TLSConfig: &tls.Config{NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}}
}

func testTLS(t *testing.T, e engine) {
	l := &proxy.Listener{Name: "test", Port: 443}
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	s := http1.New(g.Proxy, http1.Options{
		Listener: l, ReadHeaderTimeout: shortTime, IdleTimeout: loopback.Patience,
		TLS: &tls.Config{Certificates: []tls.Certificate{loopback.SelfSigned(t)}, MinVersion: tls.VersionTLS12},
	})
	c := serveOne(t, s)
	tc := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	c = &rawClient{tc, t, bufio.NewReader(tc)}
	for _, size := range []int{0, 5, 100_000} {
		for range 2 {
			body := strings.Repeat("x", size)
			c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, body))
			if resp, got := c.response("POST"); resp.StatusCode != 200 || got != body {
				t.Fatalf("%d, %d bytes", resp.StatusCode, len(got))
			}
		}
	}
	slow := (&gateway{t: t, Gateway: &loopback.Gateway{T: t, Addr: c.RemoteAddr().String()}}).dial()
	if _, err := slow.r.ReadByte(); err != io.EOF {
		t.Errorf("who never shakes hands: %v", err)
	}
}
