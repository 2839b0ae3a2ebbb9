package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// TestMain fails when a test has left a goroutine behind.
func TestMain(m *testing.M) {
	os.Exit(loopback.Main(m))
}

func TestShutdownWaitsForWhatIsInFlight(t *testing.T) {
	everywhere(t, testShutdownWaitsForWhatIsInFlight)
}

func testShutdownWaitsForWhatIsInFlight(t *testing.T, e engine) {
	arrived, release := make(chan struct{}), make(chan struct{})
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	idle := g.dial() // an idle connection, which must not hold things up
	idle.send("GET /none HTTP/1.0\r\nConnection: keep-alive\r\n")

	type answer struct {
		resp *http.Response
		body string
		err  error
	}
	answers := make(chan answer, 1)
	client, r := g.client(), loopback.NewRequest(t, "GET", g.URL+"/", nil)
	go func() {
		resp, err := client.Do(r)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		answers <- answer{resp, string(b), err}
	}()
	loopback.Await(t, "the request at the instance", arrived)
	idle.Close()

	ctx, cancel := context.WithTimeout(t.Context(), loopback.Patience)
	down := make(chan error, 1)
	go func() { down <- g.server.Shutdown(ctx) }()
	loopback.Eventually(t, "no new connections", func() bool {
		c, err := net.Dial("tcp", g.Addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	select {
	case err := <-down:
		t.Fatalf("Shutdown returned %v with a request in flight", err)
	default:
	}
	close(release)
	a := loopback.Await(t, "the answer", answers)
	if a.err != nil || a.body != "done" {
		t.Fatalf("%q, %v", a.body, a.err)
	}
	if a.resp.ProtoMajor == 1 && !a.resp.Close {
		t.Error("the last answer on a connection does not say so")
	}
	if err := loopback.Await(t, "Shutdown", down); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	cancel()
}

func TestRetireAnswersWhoHasAConnection(t *testing.T) {
	everywhere(t, testRetireAnswersWhoHasAConnection)
}

func testRetireAnswersWhoHasAConnection(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	client := g.client()
	loopback.Do(t, client, loopback.NewRequest(t, "GET", g.URL+"/", nil))
	loopback.Eventually(t, "the connection waits for its next request", func() bool { return g.Proxy.InFlight() == 0 })
	g.server.Retire()
	g.Listening.Close()

	var reused bool
	r := loopback.NewRequest(t, "GET", g.URL+"/", nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}))
	resp, _ := loopback.Do(t, client, r)
	if resp.StatusCode != http.StatusOK || !reused {
		t.Errorf("%s over a connection that was open already: %t", resp.Status, reused)
	}
	if resp.ProtoMajor == 1 && !resp.Close {
		t.Error("the last answer on a connection does not say so")
	}
	loopback.Eventually(t, "the client has to go elsewhere", func() bool {
		resp, err := client.Do(loopback.NewRequest(t, "GET", g.URL+"/", nil))
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	})
	loopback.Eventually(t, "no connection is left", func() bool { return g.Listener.Open.Load() == 0 })
}

func TestConnectionsOverTheBoundAreClosed(t *testing.T) {
	conformance(t, testConnectionsOverTheBoundAreClosed)
}

func testConnectionsOverTheBoundAreClosed(t *testing.T, e engine) {
	g := startGateway(t, e, func(_ *proxy.Route, o *options) { o.MaxConnections = 1 }, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	first := g.dial()
	get := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	first.send(get)
	first.response("GET")
	second := g.dial()
	if n, err := second.Read(make([]byte, 1)); err == nil {
		t.Errorf("a connection over the bound got %d bytes", n)
	}
	if o, a, r := g.Listener.Open.Load(), g.Listener.Accepted.Load(), g.Listener.Refused.Load(); o != 1 || a != 2 || r != 1 {
		t.Errorf("open %d, accepted %d, refused %d, want 1, 2, 1", o, a, r)
	}
	first.send(get) // is not disturbed
	first.response("GET")
	first.Close()
	loopback.Eventually(t, "room for another", func() bool { return g.Listener.Open.Load() == 0 })
	third := g.dial()
	third.send(get)
	third.response("GET")
}

// faulty fails to accept a few times.
type faulty struct {
	net.Listener
	mu     sync.Mutex
	errors []error
}

func (f *faulty) Accept() (net.Conn, error) {
	f.mu.Lock()
	if len(f.errors) > 0 {
		err := f.errors[0]
		f.errors = f.errors[1:]
		f.mu.Unlock()
		return nil, err
	}
	f.mu.Unlock()
	return f.Listener.Accept()
}

func TestAcceptErrorsAreOutlasted(t *testing.T) { conformance(t, testAcceptErrorsAreOutlasted) }

func testAcceptErrorsAreOutlasted(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	f := &faulty{Listener: ln, errors: []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, io.ErrUnexpectedEOF}}
	go func() { served <- g.server.Serve(f) }()
	g.Addr = ln.Addr().String()
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, _ := c.response("GET"); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	g.server.Close()
	if err := loopback.Await(t, "Serve", served); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// panicking is a step with a bug.
type panicking struct{}

func (panicking) Request(x *proxy.Exchange) bool {
	if string(x.Request.Path) == "/panic" {
		panic("a bug")
	}
	return true
}

func TestPanicEndsOneExchangeOnly(t *testing.T) { everywhere(t, testPanicEndsOneExchangeOnly) }

func testPanicEndsOneExchangeOnly(t *testing.T, e engine) {
	var log lockedBuffer
	g := startGateway(t, e, func(r *proxy.Route, o *options) {
		r.Steps = append(r.Steps, panicking{})
		o.Logger = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Info})
	}, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	c := g.client()
	if resp, err := c.Do(loopback.NewRequest(t, "POST", g.URL+"/panic", strings.NewReader("x"))); err == nil {
		resp.Body.Close()
		t.Errorf("status %d from a panic", resp.StatusCode)
	}
	if resp, body := loopback.Do(t, c, loopback.NewRequest(t, "POST", g.URL+"/", strings.NewReader("fine"))); resp.StatusCode != 200 || body != "fine" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	g.WaitIdle()
	if s := log.String(); strings.Count(s, "[ERROR]") != 1 || !strings.Contains(s, "a bug") || !strings.Contains(s, "panicking") {
		t.Errorf("the log says %q", s)
	}
}

// panics is a step with a bug that shows when there is an answer.
type panics struct{ panicking }

func (panics) Response(x *proxy.Exchange) {
	if x.Request.Verb == proxy.MethodPut {
		panic("a late bug")
	}
}

// TestPanicFreesTheInstance has a bug strike when the instance has begun to answer,
// while the client is still sending.
func TestPanicFreesTheInstance(t *testing.T) { everywhere(t, testPanicFreesTheInstance) }

func testPanicFreesTheInstance(t *testing.T, e engine) {
	freed := make(chan struct{}, 1)
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := loopback.ReadHead(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome")
		_, _ = io.Copy(io.Discard, r) // ends with the connection
		freed <- struct{}{}
	})
	g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.Steps = append(r.Steps, panics{}) }, addr)
	pr, pw := io.Pipe()
	go func() { _, _ = io.WriteString(pw, strings.Repeat("x", 100_000)) }() // and is silent
	c, r := g.client(), loopback.NewRequest(t, "PUT", g.URL+"/", pr)
	failed := make(chan error, 1)
	go func() {
		resp, err := c.Do(r)
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	loopback.Await(t, "the instance is free", freed)
	pw.CloseWithError(io.ErrUnexpectedEOF) // which HTTP/1.1 clients wait for
	if err := loopback.Await(t, "the client", failed); err == nil {
		t.Error("there was an answer to a panic")
	}
	g.WaitIdle()
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, testManyAtOnce)
}

func testManyAtOnce(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo), loopback.Instance(t, sniffing{loopback.Listen(t)}, echo), loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	var clients sync.WaitGroup
	for i := range 24 {
		c := g.client()
		clients.Go(func() {
			for n := range 30 {
				want := pattern(i * n * 97)
				r, err := http.NewRequestWithContext(t.Context(), []string{"POST", "PUT"}[n%2], g.URL+"/", bytes.NewReader(want))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := c.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("sent %d bytes, got %d back, %v", len(want), len(got), err)
				}
			}
		})
	}
	clients.Wait()
}
