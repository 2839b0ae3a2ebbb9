package http1_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// startBreaker answers the first request on each connection, if it says so, and
// breaks the second after it has read it. Every request line is handed out, with
// "again" behind one that came by a connection that had been used.
func startBreaker(t testing.TB, answerFirst bool) (addr string, lines chan string) {
	lines = make(chan string, 64)
	return loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		for n := 0; ; n++ {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			line := req.Method + " " + req.URL.Path
			if n > 0 {
				line += " again"
			}
			lines <- line
			if n > 0 || !answerFirst {
				return
			}
			if req.Method == "HEAD" {
				_, _ = io.WriteString(c, strings.TrimSuffix(ok, "ok"))
				continue
			}
			_, _ = io.WriteString(c, ok)
		}
	}), lines
}

// closedAddress returns an address at which nobody listens, and nobody else will:
// it is taken by a socket that does not.
func closedAddress(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

// counts says how often each line is in the channel, and takes them out.
func counts(lines chan string) map[string]int {
	n := map[string]int{}
	for {
		select {
		case l := <-lines:
			n[l]++
		default:
			return n
		}
	}
}

func TestBrokenKeepAliveConnection(t *testing.T) { everywhere(t, testBrokenKeepAliveConnection) }

func testBrokenKeepAliveConnection(t *testing.T, e engine) {
	for _, c := range []broken{
		{method: "GET", status: 200, seen: 2},
		{method: "HEAD", status: 200, seen: 2},
		{method: "OPTIONS", status: 200, seen: 2},
		{method: "DELETE", status: 200, seen: 2},
		{method: "PUT", status: 200, seen: 2},
		{method: "GET", noBudget: true, status: 502, seen: 1},
		{method: "POST", status: 502, seen: 1},
		{method: "PATCH", status: 502, seen: 1},
		{method: "BREW", status: 502, seen: 1},
		{method: "POST", field: "Idempotency-Key", status: 502, seen: 1},
		{method: "POST", field: "X-Idempotency-Key", status: 502, seen: 1},
		{method: "POST", field: "x-idempotency-KEY", status: 502, seen: 1},
		{method: "BREW", field: "Idempotency-Key", status: 502, seen: 1},
		{method: "POST", body: "x", status: 502, seen: 1},
		{method: "POST", body: "x", field: "Idempotency-Key", status: 502, seen: 1},
	} {
		t.Run(c.method+" "+c.field+" "+c.body, func(t *testing.T) {
			loopback.Eventually(t, "a connection is kept", func() bool { return brokenKeepAliveConnection(t, e, c) })
		})
	}
}

// broken is a request that breaks the connection which was kept after another.
type broken struct {
	method, body, field string
	noBudget            bool
	status, seen        int
}

// brokenKeepAliveConnection reports whether there was such a connection.
func brokenKeepAliveConnection(t *testing.T, e engine, c broken) (kept bool) {
	t.Helper()
	addr, lines := startBreaker(t, true)
	g := startGateway(t, e, nil, addr)
	client := g.client()
	loopback.Do(t, client, loopback.NewRequest(t, "GET", g.URL+"/first", nil))
	g.WaitIdle() // by then it is kept
	if c.noBudget {
		for g.Pool.Retry(time.Now()) {
		}
	}
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r := loopback.NewRequest(t, c.method, g.URL+"/second", body)
	if c.field != "" {
		r.Header[c.field] = []string{"k"}
	}
	resp, _ := loopback.Do(t, client, r)
	n := counts(lines)
	if line := c.method + " /second"; n[line+" again"] == 0 && n[line] == 1 && resp.StatusCode == 200 {
		return g.lost()
	} else if seen := n[line] + n[line+" again"]; seen != c.seen || n[line+" again"] != 1 {
		t.Errorf("the instance got it %d times, want %d; %v", seen, c.seen, n)
	}
	if resp.StatusCode != c.status {
		t.Errorf("status %d, want %d", resp.StatusCode, c.status)
	}
	return true
}

// TestBreakingInstanceIsNotStormed shows that one request is not sent over every
// idle connection in turn.
func TestBreakingInstanceIsNotStormed(t *testing.T) { everywhere(t, testBreakingInstanceIsNotStormed) }

func testBreakingInstanceIsNotStormed(t *testing.T, e engine) {
	loopback.Eventually(t, "a connection is kept", func() bool { return breakingInstance(t, e) })
}

// breakingInstance reports whether there were idle connections.
func breakingInstance(t *testing.T, e engine) (kept bool) {
	t.Helper()
	const idle = 20
	var first sync.WaitGroup
	first.Add(idle)
	release := make(chan struct{})
	lines := make(chan string, 4*idle)
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		for used := ""; ; used = " again" {
			h, err := loopback.ReadHead(r)
			if err != nil {
				return
			}
			line, _, _ := strings.Cut(h, " HTTP")
			lines <- line + used
			if line != "GET /first" {
				return
			}
			first.Done()
			<-release
			_, _ = io.WriteString(c, ok)
		}
	})
	g := startGateway(t, e, nil, addr)
	var clients sync.WaitGroup
	for range idle {
		r := loopback.NewRequest(t, "GET", g.URL+"/first", nil)
		c := g.client()
		clients.Go(func() {
			resp, err := c.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		})
	}
	first.Wait()
	close(release)
	clients.Wait()
	g.WaitIdle() // by then they are kept
	resp, _ := loopback.Do(t, g.client(), loopback.NewRequest(t, "GET", g.URL+"/second", nil))
	if resp.StatusCode != 502 {
		t.Errorf("status %d, want 502", resp.StatusCode)
	}
	n := counts(lines)
	if n["GET /second again"] == 0 && n["GET /second"] == 1 {
		return g.lost()
	}
	if n["GET /second again"] != 1 || n["GET /second"] != 1 {
		t.Errorf("the instance got it %v, want it twice", n)
	}
	return true
}

func TestRefusedConnectionIsTriedElsewhere(t *testing.T) {
	everywhere(t, testRefusedConnectionIsTriedElsewhere)
}

func testRefusedConnectionIsTriedElsewhere(t *testing.T, e engine) {
	g := startGateway(t, e, nil, closedAddress(t), loopback.Instance(t, sniffing{loopback.Listen(t)}, echo), closedAddress(t))
	c := g.client()
	for _, method := range []string{"POST", "POST", "GET", "PATCH", "PUT"} {
		resp, body := loopback.Do(t, c, loopback.NewRequest(t, method, g.URL+"/", strings.NewReader("payload")))
		if resp.StatusCode != 200 || body != "payload" {
			t.Errorf("%s: %d %q", method, resp.StatusCode, body)
		}
	}
}

func TestBrokenRequestIsTriedElsewhere(t *testing.T) {
	everywhere(t, testBrokenRequestIsTriedElsewhere)
}

func testBrokenRequestIsTriedElsewhere(t *testing.T, e engine) {
	for _, c := range []struct {
		method, body string
		status       int
	}{
		{"GET", "", 200},
		{"PUT", "kept", 200},
		{"DELETE", "", 200},
		{"POST", "", 502},
		{"POST", "sent", 502},
		{"PUT", strings.Repeat("too much to keep", 8<<10), 502},
	} {
		addr, lines := startBreaker(t, false)
		g := startGateway(t, e, nil, addr, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
		client := g.client()
		for i := range 2 { // round robin: one of the two goes to the breaker first
			resp, body := loopback.Do(t, client, loopback.NewRequest(t, c.method, g.URL+"/", strings.NewReader(c.body)))
			n := counts(lines)[c.method+" /"]
			want := 200
			if n > 0 {
				want = c.status
			}
			if resp.StatusCode != want || (want == 200 && body != c.body) || n > 1 {
				t.Errorf("%s %.10q, request %d: status %d, want %d; the breaker got it %d times", c.method, c.body, i, resp.StatusCode, want, n)
			}
		}
	}
}

func TestProblems(t *testing.T) { everywhere(t, testProblems) }

func testProblems(t *testing.T, e engine) {
	stuck := make(chan struct{})
	defer close(stuck)
	hangs := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, _ net.Conn, r *bufio.Reader) {
		_, _ = loopback.ReadHead(r)
		<-stuck
	})
	says := func(s string) string {
		return loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
			if _, err := loopback.ReadHead(r); err == nil {
				_, _ = io.WriteString(c, s)
			}
		})
	}
	dialled := make(chan struct{}, 16)
	watched := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(int, net.Conn, *bufio.Reader) { dialled <- struct{}{} })
	many := "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", proxy.MaxFields+1) + "\r\n"
	huge := "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", 300<<10) + "\r\n\r\n"
	for name, c := range map[string]struct {
		set      setup
		instance string
		status   int
		problem  string
		error    string
	}{
		"refused": {nil, closedAddress(t), 502, "instance-refused", "connection_refused"},
		"own address": {func(_ *proxy.Route, f *options) {
			f.Own = func(ap netip.AddrPort) bool { return ap.String() == watched }
		}, watched, 502, "instance-refused", "connection_refused"},
		"connect timeout": {func(r *proxy.Route, _ *options) {
			r.ConnectTimeout = 1
		}, watched, 502, "instance-refused", "connection_refused"},
		"timeout": {func(r *proxy.Route, _ *options) {
			r.Timeout = 20 * time.Millisecond
		}, hangs, 504, "instance-timeout", "http_response_timeout"},
		"closed":          {nil, says(""), 502, "instance-broke", "connection_terminated"},
		"no HTTP":         {nil, says("SSH-2.0-x\r\n\r\n"), 502, "instance-broke", "connection_terminated"},
		"half a head":     {nil, says("HTTP/1.1 200 OK\r\nA: b"), 502, "instance-broke", "connection_terminated"},
		"bad status":      {nil, says("HTTP/1.1 099 No\r\n\r\n"), 502, "instance-broke", "connection_terminated"},
		"too many fields": {nil, says(many), 502, "instance-broke", "connection_terminated"},
		"huge head":       {nil, says(huge), 502, "instance-broke", "connection_terminated"},
		"unasked switch":  {nil, says("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"), 502, "instance-broke", "connection_terminated"},
		"bare 101":        {nil, says("HTTP/1.1 101 X\r\n\r\n"), 502, "instance-broke", "connection_terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			g := startGateway(t, e, c.set, c.instance)
			for _, method := range []string{"GET", "POST"} {
				resp, body := loopback.Do(t, g.client(), loopback.NewRequest(t, method, g.URL+"/", nil))
				if resp.StatusCode != c.status || !strings.Contains(body, "urn:lictor:problem:"+c.problem+`"`) {
					t.Errorf("%s: %d %s", method, resp.StatusCode, body)
				}
				if resp.Header.Get("Proxy-Status") != "lictor; error="+c.error || resp.Header.Get("X-Request-Id") == "" {
					t.Errorf("%s: fields %v", method, resp.Header)
				}
			}
		})
	}
	if len(dialled) > 0 {
		t.Error("an address that is refused was dialled")
	}
}

func TestTruncatedResponse(t *testing.T) { everywhere(t, testTruncatedResponse) }

func testTruncatedResponse(t *testing.T, e engine) {
	for name, response := range map[string]string{
		"with a length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.",
		"in chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nten bytes.\r\n",
		"a bad chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nten bytes.\r\nxyz\r\n",
	} {
		addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
			if _, err := loopback.ReadHead(r); err == nil {
				_, _ = io.WriteString(c, response)
			}
		})
		g := startGateway(t, e, nil, addr)
		resp, err := g.client().Do(loopback.NewRequest(t, "GET", g.URL+"/", nil))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil || string(b) != "ten bytes." {
			t.Errorf("%s: %q, error %v; the client can't tell that it is not all", name, b, err)
		}
	}
}

func testSilentInstanceIsGivenUp(t *testing.T, e engine) {
	stuck := make(chan struct{})
	defer close(stuck)
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")
			<-stuck
		}
	})
	g := startGateway(t, e, func(r *proxy.Route, _ *options) {
		r.IdleTimeout = shortTime
	}, addr)
	resp, err := g.client().Do(loopback.NewRequest(t, "GET", g.URL+"/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil || string(b) != "ten bytes." {
		t.Errorf("%q, error %v", b, err)
	}
}

func TestUnixSocket(t *testing.T) { conformance(t, testUnixSocket) }

func testUnixSocket(t *testing.T, e engine) {
	path := loopback.SocketPath(t)
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	loopback.Instance(t, sniffing{ln}, echo)
	g := startGateway(t, e, nil, "unix:"+path)
	resp, body := loopback.Do(t, g.client(), loopback.NewRequest(t, "POST", g.URL+"/", strings.NewReader("over a socket")))
	if resp.StatusCode != 200 || body != "over a socket" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

// TestResolvedAddressesAreJudged has a name that is judged by its form when it
// is registered, and by its addresses when it is dialled.
func TestResolvedAddressesAreJudged(t *testing.T) { conformance(t, testResolvedAddressesAreJudged) }

func testResolvedAddressesAreJudged(t *testing.T, e engine) {
	ap := netip.MustParseAddrPort(loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	g := startGateway(t, e, nil)
	for local, want := range map[bool]int{true: 200, false: 502} {
		g.Snapshot(catalog.Instance{Key: "node/name", Address: "localhost", Port: int(ap.Port()), Weight: 1, Local: local})
		loopback.Eventually(t, "the bench is over", func() bool {
			resp, _ := loopback.Do(t, g.client(), loopback.NewRequest(t, "GET", g.URL+"/", nil))
			return resp.StatusCode == want
		})
		g.WaitIdle() // else the endpoint would be kept, with its connection
		g.Apply()
	}
}

func TestRetiredEndpointClosesItsConnections(t *testing.T) {
	conformance(t, testRetiredEndpointClosesItsConnections)
}

func testRetiredEndpointClosesItsConnections(t *testing.T, e engine) {
	closed := make(chan struct{}, 1)
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := loopback.ReadHead(r); err != nil {
				closed <- struct{}{}
				return
			}
			_, _ = io.WriteString(c, ok)
		}
	})
	g := startGateway(t, e, nil, addr)
	loopback.Do(t, g.client(), loopback.NewRequest(t, "GET", g.URL+"/", nil))
	g.Apply()
	loopback.Await(t, "the end of the idle connection", closed)
}
