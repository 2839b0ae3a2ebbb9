package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http1"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// recorder answers every request and remembers it. It asks for the body only
// when the path does not begin with "/skip".
type recorder struct{ requests []string }

func (h *recorder) Serve(x *proxy.Exchange) {
	q := &x.Request
	var body []byte
	if q.Body != nil && !bytes.HasPrefix(q.Path, []byte("/skip")) {
		for {
			p, err := q.Body.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				x.W.Abort()
				return
			}
			body = append(body, p...)
		}
	}
	h.requests = append(h.requests, fmt.Sprintf("%s %s %q", q.Method, q.Target, body))
	answer(x, 200, "fine")
}

// Refuse makes the recorder a pipeline that can refuse.
func (h *recorder) Refuse(x *proxy.Exchange, why *proxy.Problem, detail string, _ error) {
	answer(x, why.Status, detail)
}

func answer(x *proxy.Exchange, status int, body string) {
	r := &x.Response
	r.Fields.Reset(nil)
	r.Status, r.Length, r.Body = status, int64(len(body)), nil
	if x.W.Head(r) != nil || (x.Request.Verb != proxy.MethodHead && x.W.Body([]byte(body)) != nil) || x.W.End(nil) != nil {
		x.W.Abort()
	}
}

// tape is a connection whose client has sent everything before it listens.
type tape struct {
	mu     sync.Mutex
	in     []byte
	piece  int // most bytes that one read returns
	out    bytes.Buffer
	closed chan struct{}
}

func (c *tape) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.piece)], c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *tape) Write(p []byte) (int, error)    { return c.out.Write(p) }
func (c *tape) Close() error                   { close(c.closed); return nil }
func (*tape) LocalAddr() net.Addr              { return nil }
func (*tape) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
func (*tape) SetDeadline(time.Time) error      { return nil }
func (*tape) SetReadDeadline(time.Time) error  { return nil }
func (*tape) SetWriteDeadline(time.Time) error { return nil }

// FuzzConnection serves a whole connection. What was taken for a request must be
// one for net/http too, and the same: were the two ever to disagree where a
// request ends, the rest of the connection would be read as somebody else's.
func FuzzConnection(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /skip HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\r\nGET /b HTTP/1.0\r\nHost: x\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\nHEAD /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /skip HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /\r\n\r\n", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(s), uint16(3))
		f.Add([]byte(s), uint16(1000))
	}
	f.Fuzz(func(t *testing.T, raw []byte, piece uint16) {
		h := &recorder{}
		out := play(t, h, raw, int(piece)+1)
		r := bufio.NewReader(bytes.NewReader(raw))
		for i, got := range h.requests {
			want, ok := oracle(r)
			if !ok {
				break
			}
			if got != want {
				t.Fatalf("request %d was taken for %s, and is %s", i, got, want)
			}
		}
		answers := bufio.NewReader(bytes.NewReader(out))
		for i, q := range h.requests {
			method, _, _ := strings.Cut(q, " ")
			resp, err := http.ReadResponse(answers, &http.Request{Method: method})
			for err == nil && resp.StatusCode == 100 {
				resp, err = http.ReadResponse(answers, &http.Request{Method: method})
			}
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("request %d, %s, was answered by %q", i, q, out)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// play lets a server serve one connection to its end, and returns what it sent.
func play(t *testing.T, h proxy.Handler, raw []byte, piece int) []byte {
	t.Helper()
	l := &proxy.Listener{Name: "test"}
	s := http1.New(h, http1.Options{Listener: l, MaxHeaderBytes: 8 << 10})
	c := &tape{in: raw, piece: piece, closed: make(chan struct{})}
	ln := &chanListener{Listener: nil, conns: make(chan net.Conn, 1), done: make(chan struct{})}
	ln.conns <- c
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	select {
	case <-c.closed:
	case <-time.After(loopback.Patience):
		t.Fatalf("the connection does not end: %q", raw)
	}
	s.Close()
	if err := <-served; err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	return c.out.Bytes()
}

// oracle reads a request with net/http. It reports false when net/http is
// pickier about a target than the engine, which leaves that to the pipeline.
func oracle(r *bufio.Reader) (string, bool) {
	for {
		p, err := r.Peek(2)
		if err != nil || string(p) != "\r\n" {
			break
		}
		_, _ = r.Discard(2)
	}
	q, err := http.ReadRequest(r)
	if err != nil {
		return err.Error(), !strings.Contains(err.Error(), "parse \"") && !strings.Contains(err.Error(), "invalid URI")
	}
	body, err := io.ReadAll(q.Body)
	skipped := strings.HasPrefix(q.RequestURI, "/skip") || strings.HasPrefix(q.URL.Path, "/skip")
	if err != nil && !skipped {
		return err.Error(), true
	}
	if skipped {
		body = nil
	}
	return fmt.Sprintf("%s %s %q", q.Method, q.RequestURI, body), err == nil
}
