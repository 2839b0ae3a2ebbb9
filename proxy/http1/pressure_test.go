package http1_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// TestClientThatDoesNotRead pipelines requests until the kernel takes no more of
// the answers, and only then reads them.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	bothWays(t, tClientThatDoesNotRead)
}

func tClientThatDoesNotRead(t *testing.T, e engine) {
	const requests, size = 3000, 3000 // an answer fits beside its head
	body := strings.Repeat("b", size)
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Number", r.URL.Path)
		_, _ = io.WriteString(w, body)
	}))
	c := g.dial()
	var writer sync.WaitGroup
	defer writer.Wait()
	half := make(chan struct{})
	writer.Go(func() {
		for n := range requests {
			if n == requests/2 {
				close(half)
			}
			if _, err := fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", n); err != nil {
				t.Error(err)
				return
			}
		}
	})
	loopback.Await(t, "half of the requests", half)
	for n := range requests {
		resp, got := c.response("GET")
		if resp.StatusCode != 200 || resp.Header.Get("X-Number") != fmt.Sprintf("/%d", n) || got != body {
			t.Fatalf("answer %d: %d, to %s, %d bytes", n, resp.StatusCode, resp.Header.Get("X-Number"), len(got))
		}
	}
}

// TestHeadLargerThanTheKernelTakes has an instance that is in no hurry to read.
func TestHeadLargerThanTheKernelTakes(t *testing.T) {
	const size = 12 << 20
	sent, got := make(chan struct{}), make(chan int, 1)
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(_ int, c net.Conn, r *bufio.Reader) {
		<-sent
		h, err := loopback.ReadHead(r)
		if err != nil {
			return
		}
		got <- strings.Count(h, "b")
		_, _ = io.WriteString(c, ok)
	})
	g := startGateway(t, ours, func(_ *proxy.Route, o *options) { o.MaxHeaderBytes = 2 * size }, addr)
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("b", size) + "\r\n\r\n")
	close(sent)
	if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if n := loopback.Await(t, "the head", got); n < size {
		t.Errorf("the instance got %d bytes of %d", n, size)
	}
}

func TestUnixListener(t *testing.T) {
	g := startGateway(t, ours, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	ln, err := net.Listen("unix", loopback.SocketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.server.Serve(ln) }()
	conn, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &rawClient{conn, t, bufio.NewReader(conn)}
	for range 3 {
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
		if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "hello" {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
	}
	g.server.Close()
	if err := loopback.Await(t, "Serve", served); err != nil {
		t.Error(err)
	}
}
