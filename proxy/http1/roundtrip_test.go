package http1_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/accesslog"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/step/limit"
)

// roundTrip is what both ends say in a measured exchange, and by which bytes each
// knows that the other has said it all.
type roundTrip struct {
	name, request, requestEnd, answer, answerEnd string
	split                                        int // the request is sent in two, if not 0
}

var roundTrips = func() []roundTrip {
	const (
		fields = " /api/orders/17?x=1 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench/1\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nX-Tenant: seven\r\n"
		head   = "HTTP/1.1 200 OK\r\nServer: instance\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nX-A: b\r\n"
		length = "Content-Length: 1024\r\n\r\n"
		coded  = "Transfer-Encoding: chunked\r\n\r\n400\r\n"
		end    = "\r\n0\r\n\r\n"
	)
	kib := strings.Repeat("z", 1022) + "!\n"
	return []roundTrip{
		{"GET", "GET" + fields + "\r\n", "\r\n\r\n", head + length + kib, "!\n", 0},
		{"POST", "POST" + fields + length + kib, "!\n", head + length + kib, "!\n", 0},
		{"POST in two", "POST" + fields + length + kib, "!\n", head + length + kib, "!\n", len("POST" + fields + length)},
		{"chunked", "POST" + fields + coded + kib + end, end, head + coded + kib + end, end, 0},
		{"chunked in two", "POST" + fields + coded + kib + end, end, head + coded + kib + end, end, len("POST" + fields + coded)},
	}
}()

// instance answers each request on a connection, without allocating.
func (r *roundTrip) instance(c net.Conn) {
	defer c.Close()
	buf, answer, end := make([]byte, 64<<10), []byte(r.answer), []byte(r.requestEnd)
	for n := 0; ; {
		m, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		if n += m; !bytes.HasSuffix(buf[:n], end) {
			continue
		}
		n = 0
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// client sends the request on one connection and reads the answer, each time
// that the result is called.
func (r *roundTrip) client(t testing.TB, addr string) func() []byte {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	buf, request, end := make([]byte, 64<<10), []byte(r.request), []byte(r.answerEnd)
	return func() []byte {
		for _, p := range [...][]byte{request[:r.split], request[r.split:]} {
			if len(p) == 0 {
				continue
			}
			if _, err := c.Write(p); err != nil {
				t.Fatal(err)
			}
		}
		for n := 0; ; {
			m, err := c.Read(buf[n:])
			if err != nil {
				t.Fatal(err)
			}
			if n += m; bytes.HasSuffix(buf[:n], end) {
				return buf[:n]
			}
		}
	}
}

// start runs the instance.
func (r *roundTrip) start(t testing.TB) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { r.instance(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	return ln.Addr().String()
}

// discard takes log lines as fast as they come.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

// startFull starts a gateway in front of an instance, with routing, least_conn,
// a token bucket and an access log.
func startFull(t testing.TB, e engine, instance string) (*gateway, *accesslog.Sink) {
	t.Helper()
	g := startGateway(t, e, func(r *proxy.Route, o *options) {
		o.Balance = "least_conn"
		block := &limits.TokenBucket{Rate: "1000000000/s"}
		spec, err := block.Spec()
		if err != nil {
			t.Fatal(err)
		}
		l := limit.New(limit.Spec{
			Name: "per_ip", Algorithm: limits.TokenBucketName, Limit: spec, Cost: 1,
			Key: []limit.KeyPart{{Kind: limit.ClientIP}}, IPv4Prefix: 32, IPv6Prefix: 64,
		}, spec.New(limits.Options{}), nil, nil)
		r.Steps = append(r.Steps, limit.NewPhase([]*limit.Limit{l}, limits.NewWaiters(1)))
		r.Rule = router.Rule{Name: "orders", Hosts: []string{"api.example.com"}, PathPrefix: "/api/orders"}
	}, instance)
	sink := accesslog.NewSink(1)
	ctx, cancel := context.WithCancel(context.Background())
	written := make(chan error, 1)
	go func() { written <- sink.Run(ctx, func() (io.WriteCloser, error) { return discard{}, nil }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
	g.Proxy.SetLogs(&proxy.Log{Sink: sink})
	return g, sink
}

// TestNothingIsAllocated sends requests over real sockets, with everything on.
// Neither the client nor the instance allocates, so what is counted is the
// gateway's.
func TestNothingIsAllocated(t *testing.T) {
	for _, r := range roundTrips {
		t.Run(r.name, func(t *testing.T) {
			g, sink := startFull(t, ours, r.start(t))
			once := r.client(t, g.Addr)
			for range 20 {
				if answer := once(); !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 OK\r\n")) || !bytes.Contains(answer, []byte("\r\nRateLimit: ")) {
					t.Fatalf("the client got %q", answer)
				}
			}
			if n := testing.AllocsPerRun(2000, func() { once() }); n != 0 && !raceDetector { // the detector makes pools forget
				t.Errorf("%v allocations a request", n)
			}
			if err := sink.Flush(t.Context()); err != nil || sink.Lines() == 0 {
				t.Errorf("no log line came through: %v", err)
			}
			if all, failed := g.Route.Metrics.Requests(); all == 0 || failed > 0 {
				t.Errorf("%d requests were counted, %d of them failures", all, failed)
			}
		})
	}
}

// BenchmarkFull measures round trips over loopback with everything on: client,
// gateway and instance together, in one process. Without a gateway it shows what
// of that is the client's and the instance's.
func BenchmarkFull(b *testing.B) {
	for _, r := range roundTrips {
		b.Run(r.name+"/without", func(b *testing.B) {
			once := r.client(b, r.start(b))
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
		})
		for name, e := range map[string]engine{"http1": ours, "nethttp": standard} {
			if name == "nethttp" && strings.HasPrefix(r.name, "chunked") {
				continue // it closes the connection when the answer overtakes the last chunk
			}
			b.Run(r.name+"/"+name, func(b *testing.B) {
				g, _ := startFull(b, e, r.start(b))
				once := r.client(b, g.Addr)
				once()
				b.ReportAllocs()
				for b.Loop() {
					once()
				}
			})
		}
	}
}
