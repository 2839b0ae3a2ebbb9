package http1_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

func TestEventsAreFlushedOneByOne(t *testing.T) { everywhere(t, testEventsAreFlushedOneByOne) }

func testEventsAreFlushedOneByOne(t *testing.T, e engine) {
	next := make(chan string)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for e := range next {
			fmt.Fprintf(w, "data: %s\n\n", e)
			_ = http.NewResponseController(w).Flush()
			if e == "last" {
				return
			}
		}
	}))
	go func() { next <- "0" }()
	resp, err := g.client().Do(loopback.NewRequest(t, "GET", g.URL+"/", nil))
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(resp.Body)
	// Each event is asked for only when the one before has arrived.
	for _, e := range []string{"1", "2", "last", ""} {
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "data: ") {
			t.Fatalf("%q, %v", line, err)
		}
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if e != "" {
			next <- e
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
	resp.Body.Close()
}

// TestHeadIsNotHeldBack has an instance that sends its head and nothing more
// until the client has seen it.
func TestHeadIsNotHeldBack(t *testing.T) { everywhere(t, testHeadIsNotHeldBack) }

func testHeadIsNotHeldBack(t *testing.T, e engine) {
	for _, head := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
	} {
		seen := make(chan struct{})
		addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
			if _, err := loopback.ReadHead(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, head)
			<-seen
			if strings.Contains(head, "chunked") && !strings.HasSuffix(head, "\r\n4\r\n") {
				_, _ = io.WriteString(c, "4\r\n")
			}
			_, _ = io.WriteString(c, "body")
			if strings.Contains(head, "chunked") {
				_, _ = io.WriteString(c, "\r\n0\r\n\r\n")
			}
		})
		g := startGateway(t, e, nil, addr)
		resp, err := g.client().Do(loopback.NewRequest(t, "GET", g.URL+"/", nil))
		close(seen)
		if err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "body" {
			t.Errorf("%q: %q, %v", head, b, err)
		}
		resp.Body.Close()
	}
}

func TestTrailersBothWays(t *testing.T) { everywhere(t, testTrailersBothWays) }

func testTrailersBothWays(t *testing.T, e engine) {
	got := make(chan http.Header, 1)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.Trailer.Clone()
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "theirs")
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "too")
		w.Header().Set(http.TrailerPrefix+"Set-Cookie", "a=b")
		w.Header().Set(http.TrailerPrefix+"X-Request-Id", "forged")
	}))
	r := loopback.NewRequest(t, "POST", g.URL+"/", io.MultiReader(strings.NewReader("body")))
	r.Trailer = http.Header{"X-Sum": {"ours"}, "X-Forwarded-For": {"6.6.6.6"}, "X_forwarded_for": {"6.6.6.6"}}
	resp, body := loopback.Do(t, g.client(), r)
	if resp.StatusCode != 200 || body != "body" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	sent := loopback.Await(t, "the request's trailers", got)
	if len(sent) != 1 || sent.Get("X-Sum") != "ours" {
		t.Errorf("the instance got the trailers %v", sent)
	}
	if resp.Trailer.Get("X-Sum") != "theirs" || resp.Trailer.Get("X-Unannounced") != "too" || resp.Trailer["X-Request-Id"] != nil {
		t.Errorf("the client got the trailers %v", resp.Trailer)
	}
}

func TestUnannouncedRequestTrailer(t *testing.T) { conformance(t, testUnannouncedRequestTrailer) }

func testUnannouncedRequestTrailer(t *testing.T, e engine) {
	got := make(chan http.Header, 1)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.Trailer.Clone()
	}))
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: late\r\nHost: forged\r\n\r\n")
	c.response("POST")
	if h := loopback.Await(t, "the request's trailers", got); len(h) != 1 || h.Get("X-Sum") != "late" {
		t.Errorf("the instance got the trailers %v", h)
	}
}

func TestInterimResponses(t *testing.T) { everywhere(t, testInterimResponses) }

func testInterimResponses(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // makes net/http send 100 when asked to
		for _, link := range []string{"</a>", "</b>"} {
			w.Header().Set("Link", link)
			w.Header().Set("Keep-Alive", "timeout=1")
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.Header().Del("Link")
		w.Header().Del("Keep-Alive")
		_, _ = io.WriteString(w, "final")
	}))
	var got []string
	r := loopback.NewRequest(t, "POST", g.URL+"/", strings.NewReader("body"))
	r.Header.Set("Expect", "100-continue")
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if h.Get("Keep-Alive") != "" {
				t.Error("a hop-by-hop field of an interim response was passed on")
			}
			got = append(got, fmt.Sprintf("%d %s", code, h.Get("Link")))
			return nil
		},
	}))
	resp, body := loopback.Do(t, g.client(), r)
	if resp.StatusCode != 200 || body != "final" || resp.Header.Get("Link") != "" {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
	}
	got = slices.DeleteFunc(got, func(s string) bool { return s == "100 " }) // h2 clients may do without
	if want := []string{"103 </a>", "103 </b>"}; !slices.Equal(got, want) {
		t.Errorf("interim responses %q, want %q", got, want)
	}
}

func TestExpectContinue(t *testing.T) { conformance(t, testExpectContinue) }

func testExpectContinue(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	c := g.dial()
	for range 2 {
		c.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
		if h := c.head(); h != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("got %q first", h)
		}
		c.send("body")
		if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "body" {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
	}
	g.Apply() // now the body is never asked for
	c.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if resp, _ := c.response("POST"); resp.StatusCode != 503 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestBothWaysAtOnce has an instance that answers each piece before the client
// sends the next one.
func TestBothWaysAtOnce(t *testing.T) { everywhere(t, testBothWaysAtOnce) }

func testBothWaysAtOnce(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		_ = rc.Flush()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = rc.Flush()
			if err != nil {
				return
			}
		}
	}))
	pr, pw := io.Pipe()
	resp, err := g.client().Do(loopback.NewRequest(t, "POST", g.URL+"/", pr))
	if err != nil {
		t.Fatalf("%v", err)
	}
	buf := make([]byte, 5)
	for _, piece := range []string{"one..", "two..", "three"} {
		_, _ = io.WriteString(pw, piece)
		if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != piece {
			t.Fatalf("%q, %v, want %q", buf, err, piece)
		}
	}
	pw.Close()
	if n, err := resp.Body.Read(buf); err != io.EOF {
		t.Errorf("%d bytes, %v at the end", n, err)
	}
	resp.Body.Close()
}

// TestEarlyAnswer has an instance that wants no upload. The client has sent only
// a part of it and waits.
func TestEarlyAnswer(t *testing.T) { conformance(t, testEarlyAnswer) }

func testEarlyAnswer(t *testing.T, e engine) {
	for name, answer := range map[string]string{
		"with a body":    "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch",
		"without one":    "HTTP/1.1 204 No Content\r\n\r\n",
		"and closes":     "HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmuch",
		"until it hangs": "HTTP/1.1 403 No\r\nConnection: close\r\n\r\nmuch",
	} {
		addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
			if _, err := loopback.ReadHead(r); err == nil {
				_, _ = io.WriteString(c, answer)
				if strings.Contains(answer, "close") {
					_ = c.(interface{ CloseWrite() error }).CloseWrite()
				}
				_, _ = io.Copy(io.Discard, r)
			}
		})
		g := startGateway(t, e, nil, addr)
		for _, framing := range []string{"Content-Length: 1000000\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"} {
			c := g.dial()
			c.send("POST / HTTP/1.1\r\nHost: x\r\n" + framing)
			resp, body := c.response("POST")
			if !strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d ", resp.StatusCode)) || (resp.StatusCode != 204 && body != "much") {
				t.Errorf("%s: %s %q", name, resp.Status, body)
			}
		}
		g.WaitIdle()
	}
}

// TestAnswerAsTheUploadEnds has an instance that answers on sight of the head,
// while the client's body is still being read. Under -race it is the test of who
// may look at the body when.
func TestAnswerAsTheUploadEnds(t *testing.T) { conformance(t, testAnswerAsTheUploadEnds) }

func testAnswerAsTheUploadEnds(t *testing.T, e engine) {
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
			_, _ = io.Copy(io.Discard, r)
		}
	})
	g := startGateway(t, e, nil, addr)
	for range 300 {
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		if resp, body := c.response("POST"); resp.StatusCode != 400 || body != "no" {
			t.Fatalf("got %s %q", resp.Status, body)
		}
		c.Close()
	}
	g.WaitIdle()
}

// TestEarlyAnswerToALargeUpload has a client that sends all the time.
func TestEarlyAnswerToALargeUpload(t *testing.T) { everywhere(t, testEarlyAnswerToALargeUpload) }

func testEarlyAnswerToALargeUpload(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1000)
		w.Header().Set("Content-Length", "4") // the answer is whole: HTTP/2 clients send no more after it
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "much")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
	}))
	for _, length := range []int64{8 << 20, -1} {
		resp, body := g.push(8<<20, length)
		if resp.StatusCode != 413 || body != "much" {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
	}
}

// push sends so many bytes, which the head may tell, and reads the answer meanwhile. A
// http.Client that is slow to see an answer would take it that nobody listens any
// more for the end of all.
func (g *gateway) push(n, length int64) (*http.Response, string) {
	g.t.Helper()
	if g.speaks.UnencryptedHTTP2() {
		r := loopback.NewRequest(g.t, "POST", g.URL+"/", io.LimitReader(zeros{}, n))
		r.ContentLength = length
		return loopback.Do(g.t, g.client(), r)
	}
	c := g.dial()
	var writer sync.WaitGroup
	defer writer.Wait()
	defer c.Close()
	writer.Go(func() { // errors don't matter
		if length < 0 {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
			w := httputil.NewChunkedWriter(c)
			if _, err := io.CopyN(w, zeros{}, n); err == nil {
				_ = w.Close()
				_, _ = io.WriteString(c, "\r\n")
			}
			return
		}
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
		_, _ = io.CopyN(c, zeros{}, n)
	})
	return c.response("POST")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestInstanceGoneDuringUpload has a client that waits in the middle of its
// upload, which must not delay the answer.
func TestInstanceGoneDuringUpload(t *testing.T) { conformance(t, testInstanceGoneDuringUpload) }

func testInstanceGoneDuringUpload(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, _ net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err == nil {
			_, _ = r.ReadByte()
		}
	}))
	for _, framing := range []string{"Content-Length: 10\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"} {
		for _, method := range []string{"POST", "PUT"} {
			conn := g.dial()
			conn.send(method + " / HTTP/1.1\r\nHost: x\r\n" + framing)
			if resp, body := conn.response(method); resp.StatusCode != 502 {
				t.Errorf("%s: %d %s", method, resp.StatusCode, body)
			}
		}
	}
}

func testClientGoneCancelsTheInstance(t *testing.T, e engine) {
	arrived, canceled := make(chan struct{}, 1), make(chan struct{}, 1)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/head" {
			_ = http.NewResponseController(w).Flush()
		}
		arrived <- struct{}{}
		<-r.Context().Done()
		canceled <- struct{}{}
	}))
	for _, path := range []string{"/", "/head"} {
		r := loopback.NewRequest(t, "GET", g.URL+path, nil)
		ctx, cancel := context.WithCancel(r.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := g.client().Do(r.WithContext(ctx)); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}()
		loopback.Await(t, "the request at the instance", arrived)
		cancel()
		loopback.Await(t, "the end of the instance's request", canceled)
		loopback.Await(t, "the client", done)
	}
	g.WaitIdle()
}

// TestClientGoneDuringUpload has a client that dies in the middle of its
// request. The instance must not take what it got for all of it.
func TestClientGoneDuringUpload(t *testing.T) { conformance(t, testClientGoneDuringUpload) }

func testClientGoneDuringUpload(t *testing.T, e engine) {
	arrived, failed := make(chan struct{}, 1), make(chan error, 1)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 4))
		arrived <- struct{}{}
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
	}))
	for _, framing := range []string{"Content-Length: 10\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"} {
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\n" + framing)
		loopback.Await(t, "the request at the instance", arrived)
		c.Close()
		if err := loopback.Await(t, "the end of the request", failed); err == nil {
			t.Errorf("%.10s: the instance took a part of the body for all of it", framing)
		}
	}
	g.WaitIdle()
}

func TestBrokenChunksFromTheClient(t *testing.T) { conformance(t, testBrokenChunksFromTheClient) }

func testBrokenChunksFromTheClient(t *testing.T, e engine) {
	arrived, failed := make(chan struct{}), make(chan error, 1)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
	}))
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
	loopback.Await(t, "the request at the instance", arrived)
	c.send("nonsense\r\n")
	if resp, body := c.response("POST"); resp.StatusCode != 400 || !strings.Contains(body, "malformed") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if err := loopback.Await(t, "the instance's error", failed); err == nil {
		t.Error("the instance took a part of the body for all of it")
	}
}

func TestBodyOverTheRoutesBound(t *testing.T) { everywhere(t, testBodyOverTheRoutesBound) }

func testBodyOverTheRoutesBound(t *testing.T, e engine) {
	g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.MaxBody = 1000 }, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	for _, c := range []struct {
		size   int
		status int
	}{{1000, 200}, {1001, 413}, {300_000, 413}} {
		for _, length := range []int64{int64(c.size), -1} {
			r := loopback.NewRequest(t, "POST", g.URL+"/", io.LimitReader(zeros{}, int64(c.size)))
			r.ContentLength = length
			if resp, body := loopback.Do(t, g.client(), r); resp.StatusCode != c.status {
				t.Errorf("%d bytes, length %d: %d %.100s", c.size, length, resp.StatusCode, body)
			}
		}
	}
}
