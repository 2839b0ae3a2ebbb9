package http1_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// rawClient is a client's connection, byte for byte.
type rawClient struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (g *gateway) dial() *rawClient {
	g.t.Helper()
	c, err := net.Dial("tcp", g.Addr)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(loopback.Patience)); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return &rawClient{c, g.t, bufio.NewReader(c)}
}

func (c *rawClient) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

// head reads the next head.
func (c *rawClient) head() string {
	c.t.Helper()
	h, err := loopback.ReadHead(c.r)
	if err != nil {
		c.t.Fatalf("reading a head: %v after %q", err, h)
	}
	return h
}

// response reads a whole response, each of which has its time.
func (c *rawClient) response(method string) (*http.Response, string) {
	c.t.Helper()
	_ = c.SetDeadline(time.Now().Add(loopback.Patience)) // fails on a closed connection only
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading a response: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("reading a response's body: %v", err)
	}
	return resp, string(b)
}

// startRecorder answers every request with a fixed response and hands out the
// heads as they came.
func startRecorder(t testing.TB, response string) (addr string, heads chan string) {
	heads = make(chan string, 64)
	return loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			h, err := loopback.ReadHead(r)
			if err != nil {
				return
			}
			heads <- h
			if _, err := io.WriteString(c, response); err != nil {
				return
			}
		}
	}), heads
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestTargetIsForwardedOctetForOctet(t *testing.T) {
	conformance(t, testTargetIsForwardedOctetForOctet)
}

func testTargetIsForwardedOctetForOctet(t *testing.T, e engine) {
	addr, heads := startRecorder(t, ok)
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	for _, target := range []string{
		"/", "/a", "/a/", "/a//b", "//a", "//a/b", "//a;x=1?y", "/a%2Fb", "/a%20b", "//a%2Fb%20c", "/a;b=c;d", "/a?", "//a?", "/a?b=c", "/a?b?c",
		`/a?"<>|^{}` + "`", "/a?x=%2f+%zz", "/a?/../..", "/!$&'()*+,;=:@-._~", "//!$&'()*+,;=:@-._~", "/%C3%A9", "/a:b", "/:80",
	} {
		c.send("GET " + target + " HTTP/1.1\r\nHost: example.com\r\n\r\n")
		c.response("GET")
		got, _, _ := strings.Cut(loopback.Await(t, "the instance's request", heads), "\r\n")
		if want := "GET " + target + " HTTP/1.1"; got != want {
			t.Errorf("instance got %q, want %q", got, want)
		}
	}
	for sent, want := range map[string]string{
		"http://other.example/x?y": "/x?y", "http://other.example": "/", "http://other.example?q": "/?q", "http://other.example//x": "//x",
	} {
		c.send("GET " + sent + " HTTP/1.1\r\nHost: example.com\r\n\r\n")
		c.response("GET")
		head := loopback.Await(t, "the instance's request", heads)
		if !strings.HasPrefix(head, "GET "+want+" HTTP/1.1\r\nHost: other.example\r\n") {
			t.Errorf("%s became %q", sent, head)
		}
	}
	c.send("GET http://user@example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
	if resp, _ := c.response("GET"); resp.StatusCode != 400 {
		t.Errorf("user information in the target: %d, want 400", resp.StatusCode)
	}
}

func TestFieldsTowardsTheInstance(t *testing.T) { conformance(t, testFieldsTowardsTheInstance) }

func testFieldsTowardsTheInstance(t *testing.T, e engine) {
	addr, heads := startRecorder(t, ok)
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: Example.com:99\r\n" +
		"X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.7\r\nx-FORWARDED_for: 6.6.6.8\r\nForwarded: for=6.6.6.9\r\nX-Real-IP: 6.6.6.10\r\n" +
		"X-Forwarded-Host: forged\r\nX-Forwarded-Proto: forged\r\nX-Request-Id: forged\r\nX-Original-URL: /forged\r\nProxy: forged\r\n" +
		"Connection: keep-alive, X-Nominated, Authorization, x-request-id\r\nX-Nominated: nominated\r\nAuthorization: Bearer t\r\n" +
		"Keep-Alive: timeout=5\r\nProxy-Authorization: secret\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n" +
		"X-Twice: 1\r\nX-Twice: 2\r\nAccept: */*\r\n\r\n")
	c.response("GET")
	head := loopback.Await(t, "the instance's request", heads)
	lower := strings.ToLower(head)
	for _, bad := range []string{
		"6.6.6.", "forged", "nominated", "keep-alive", "secret", "upgrade", "http2-settings", "user-agent", "accept-encoding", "connection", "content-length", "transfer-encoding",
	} {
		if strings.Contains(lower, bad) {
			t.Errorf("the instance got %q in\n%s", bad, head)
		}
	}
	for _, want := range []string{
		"Host: Example.com:99\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: http\r\n", "X-Forwarded-Host: Example.com:99\r\n",
		"Authorization: Bearer t\r\n", "Via: 1.1 lictor\r\n", "X-Twice: 1\r\n", "X-Twice: 2\r\n", "Accept: */*\r\n", "X-Request-Id: ", "Traceparent: 00-",
	} {
		if !strings.Contains(head, want) {
			t.Errorf("the instance did not get %q in\n%s", want, head)
		}
	}
}

func TestFieldsTowardsTheClient(t *testing.T) { conformance(t, testFieldsTowardsTheClient) }

func testFieldsTowardsTheClient(t *testing.T, e engine) {
	addr, _ := startRecorder(t, "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Nominated\r\nX-Nominated: nominated\r\nKeep-Alive: timeout=5\r\n"+
		"Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Request-Id: theirs\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\n<a")
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, body := c.response("GET")
	if body != "<a" || resp.ContentLength != 2 {
		t.Errorf("body %q, length %d", body, resp.ContentLength)
	}
	for _, name := range []string{"X-Nominated", "Keep-Alive", "Proxy-Authenticate", "Upgrade", "Connection", "Content-Type", "Via", "Server"} {
		if v, ok := resp.Header[name]; ok {
			t.Errorf("the client got %s: %q", name, v)
		}
	}
	if d := resp.Header["Date"]; len(d) != 1 || d[0] != "Mon, 02 Jan 2006 15:04:05 GMT" {
		t.Errorf("Date %q", d)
	}
	if v := resp.Header["Set-Cookie"]; len(v) != 2 || v[0] != "a=1" || v[1] != "b=2" {
		t.Errorf("Set-Cookie %q", v)
	}
	if v := resp.Header["X-Request-Id"]; len(v) != 1 || v[0] == "theirs" {
		t.Errorf("X-Request-Id %q", v)
	}
}

func TestHostHeaderAndEmptyBody(t *testing.T) { conformance(t, testHostHeaderAndEmptyBody) }

func testHostHeaderAndEmptyBody(t *testing.T, e engine) {
	addr, heads := startRecorder(t, ok)
	g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.HostHeader = "inner.example" }, addr)
	c := g.dial()
	for _, framing := range []string{"Content-Length: 0\r\n", ""} {
		c.send("POST / HTTP/1.1\r\nHost: x\r\nUser-Agent: mine\r\n" + framing + "\r\n")
		c.response("POST")
		head := loopback.Await(t, "the instance's request", heads)
		for _, want := range []string{"Host: inner.example\r\n", "Content-Length: 0\r\n", "User-Agent: mine\r\n", "X-Forwarded-Host: x\r\n"} {
			if !strings.Contains(head, want) {
				t.Errorf("the instance did not get %q in\n%s", want, head)
			}
		}
		if strings.Contains(head, "Transfer-Encoding") {
			t.Errorf("an empty body was sent in chunks:\n%s", head)
		}
	}
}

func TestHTTP10Client(t *testing.T) { conformance(t, testHTTP10Client) }

func testHTTP10Client(t *testing.T, e engine) {
	addr, heads := startRecorder(t, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	c.send("GET / HTTP/1.0\r\n\r\n")
	b, err := io.ReadAll(c.r)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); !(strings.HasPrefix(s, "HTTP/1.1 200 OK\r\n") || strings.HasPrefix(s, "HTTP/1.0 200 OK\r\n")) || !strings.HasSuffix(s, "\r\n\r\nabc") || strings.Contains(s, "chunked") {
		t.Errorf("an HTTP/1.0 client got %q", s)
	}
	if head := loopback.Await(t, "the instance's request", heads); !strings.Contains(head, "HTTP/1.1\r\n") || !strings.Contains(head, "Via: 1.0 lictor\r\n") {
		t.Errorf("the instance got %q", head)
	}
}

func TestStatusesWithoutABody(t *testing.T) { conformance(t, testStatusesWithoutABody) }

func testStatusesWithoutABody(t *testing.T, e engine) {
	for _, status := range []int{204, 304} {
		addr, _ := startRecorder(t, fmt.Sprintf("HTTP/1.1 %d X\r\nEtag: \"a\"\r\n\r\n", status))
		g := startGateway(t, e, nil, addr)
		c := g.dial()
		for range 2 { // the second shows that the first was framed well
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			head := c.head()
			if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", status)) || !strings.Contains(strings.ToLower(head), "etag: \"a\"\r\n") ||
				strings.Contains(head, "Content-Length") || strings.Contains(head, "Transfer-Encoding") {
				t.Errorf("%d came as\n%s", status, head)
			}
		}
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) { conformance(t, testConnectionsAreUsedAgain) }

func testConnectionsAreUsedAgain(t *testing.T, e engine) {
	loopback.Eventually(t, "connections are used again", func() bool { return connectionsAreUsedAgain(t, e) })
}

func connectionsAreUsedAgain(t *testing.T, e engine) bool {
	t.Helper()
	connections := make(chan int, 16)
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(n int, c net.Conn, r *bufio.Reader) {
		connections <- n
		for {
			if _, err := loopback.ReadHead(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, ok)
		}
	})
	g := startGateway(t, e, nil, addr)
	c := g.dial()
	for range 10 {
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.response("GET")
	}
	if n := g.Listener.Accepted.Load(); n != 1 {
		t.Errorf("%d connections from the client, want 1", n)
	}
	return len(connections) == 1 || g.lost()
}

func TestTooManyFields(t *testing.T) { conformance(t, testTooManyFields) }

func testTooManyFields(t *testing.T, e engine) {
	g := startGateway(t, e, nil)
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", proxy.MaxFields+1) + "\r\n")
	if resp, body := c.response("GET"); resp.StatusCode != 431 || !strings.Contains(body, "urn:lictor:problem:head-too-large") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// writeCounter counts the writes on a client's connection.
type writeCounter struct {
	net.Listener
	writes chan int
}

type countedConn struct {
	net.Conn
	writes chan int
}

func (l writeCounter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{c, l.writes}, nil
}

func (c countedConn) Write(p []byte) (int, error) {
	c.writes <- len(p)
	return c.Conn.Write(p)
}

func TestSmallResponseIsOneWrite(t *testing.T) { conformance(t, testSmallResponseIsOneWrite) }

func testSmallResponseIsOneWrite(t *testing.T, e engine) {
	for name, response := range map[string]string{
		"with a length": ok,
		"in chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	} {
		addr, _ := startRecorder(t, response)
		g := startGateway(t, e, nil, addr)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		writes := make(chan int, 64)
		served := make(chan error, 1)
		go func() { served <- g.server.Serve(writeCounter{ln, writes}) }()
		g.Addr = ln.Addr().String()
		c := g.dial()
		for range 3 {
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, body := c.response("GET"); body != "ok" {
				t.Errorf("body %q", body)
			}
		}
		if n := len(writes); n != 3 {
			t.Errorf("%s: 3 small responses took %d writes", name, n)
		}
		g.server.Close()
		if err := loopback.Await(t, "Serve", served); err != nil {
			t.Error(err)
		}
	}
}
