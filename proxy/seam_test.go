package proxy_test

import (
	"context"
	"io"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/accesslog"
)

// discard takes log lines as fast as they come.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

func silent(s *setup) { s.silent = true }

// discarding starts an access log that goes nowhere.
func discarding(t testing.TB, g *gateway) *accesslog.Sink {
	t.Helper()
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
	g.proxy.SetLogs(&proxy.Log{Sink: sink})
	return sink
}

// TestSeamAllocatesNothing drives the whole story of a request from raw bytes:
// fields, identity, match, limit with its fields, least connections, both head
// edits, counters and an access log line.
func TestSeamAllocatesNothing(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		status    int
		options   []func(*setup)
	}{
		{name: "get", status: 200, raw: "GET /orders/17?page=2 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: */*\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: keep-alive\r\n\r\n"},
		{name: "post", status: 200, raw: "POST /orders HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"},
		{name: "put", status: 200, raw: "PUT /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\n\r\nhello"},
		{name: "edited", status: 200, raw: "GET //orders/./%41 HTTP/1.1\r\nHost: api.example.com\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n"},
		{name: "404", status: 404, raw: "GET /nothing HTTP/1.1\r\nHost: api.example.com\r\n\r\n"},
		{
			name: "behind a proxy", status: 200, options: []func(*setup){trusting},
			raw: get("/orders", "X-Forwarded-For: 203.0.113.5, 192.0.2.9", "X-Forwarded-Proto: https", "X-Request-Id: abc"),
		},
		{
			name: "behind a proxy that speaks RFC 7239", status: 200, options: []func(*setup){trusting, readForwarded},
			raw: get("/orders", `Forwarded: for="[2001:db8::1]:80";proto=https, for=192.0.2.9`),
		},
		{
			name: "429", status: 429, raw: get("/orders"),
			options: []func(*setup){func(s *setup) { s.route.Steps = phase(newLimit(t, "never", "1/h", 1)) }},
		},
		{name: "header condition", status: 200, raw: get("/orders", "X-Beta: 0", "X-Beta: 1"), options: []func(*setup){func(s *setup) {
			s.route.Rule.Headers = map[string]string{"x-beta": "0, 1"}
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memory{reply: []byte(reply)}
			g := newGateway(t, m, append(c.options, silent)...)
			sink := discarding(t, g)
			in := []byte(c.raw)
			once := func() { g.proxy.Serve(m.request(in, g.conn)) }
			once()
			once()
			if m.x.Response.Status != c.status || m.aborts > 0 {
				t.Fatalf("status %d, %d aborts: %s", m.x.Response.Status, m.aborts, m.wire)
			}
			if n := testing.AllocsPerRun(2000, once); n != 0 {
				t.Errorf("%v allocations a request", n)
			}
			if err := sink.Flush(t.Context()); err != nil || sink.Lines() == 0 {
				t.Errorf("no log line came through: %v", err)
			}
		})
	}
}

func BenchmarkSeam(b *testing.B) {
	m := &memory{reply: []byte(reply)}
	g := newGateway(b, m, silent)
	in := []byte("GET /orders/17?page=2 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		g.proxy.Serve(m.request(in, g.conn))
	}
}
