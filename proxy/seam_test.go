package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/accesslog"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/step/limit"
	"github.com/lictor/lictor/proxy/upstream"
)

// memory is an engine whose wire is a slice of bytes. It exists to show that the
// pipeline can be driven from raw bytes without any allocation, so it parses
// just what its requests hold.
type memory struct {
	x       proxy.Exchange
	out     []byte
	sent    []byte // what went to the instance
	reply   []byte // what the instance answers
	body    onceBody
	aborted bool
}

// onceBody is a body of one piece.
type onceBody struct {
	b    []byte
	done bool
}

func (b *onceBody) Next() ([]byte, error) {
	if b.done {
		return nil, io.EOF
	}
	b.done = true
	return b.b, nil
}
func (b *onceBody) Ready() bool            { return true }
func (b *onceBody) Trailer() *proxy.Fields { return nil }

// parseHead fills fields from "name: value\r\n" lines between from and the empty
// line, and returns where the body begins.
func parseHead(f *proxy.Fields, raw []byte, from int) int {
	f.Reset(raw)
	for {
		end := from + bytes.Index(raw[from:], []byte("\r\n"))
		if end == from {
			return end + 2
		}
		colon := from + bytes.IndexByte(raw[from:end], ':')
		f.Received(from, colon-from, colon+2, end-colon-2, true)
		from = end + 2
	}
}

func (m *memory) request(raw []byte, c *proxy.Conn) *proxy.Exchange {
	x := &m.x
	q := &x.Request
	line, _, _ := bytes.Cut(raw, []byte("\r\n"))
	first := bytes.IndexByte(line, ' ')
	last := bytes.LastIndexByte(line, ' ')
	q.Method = raw[:first]
	q.Verb = proxy.MethodOf(q.Method)
	q.Target = raw[first+1 : last]
	q.Path, q.Query, q.HasQuery = bytes.Cut(q.Target, []byte{'?'})
	q.Protocol = proxy.HTTP11
	at := parseHead(&q.Fields, raw, len(line)+2)
	q.Fields.DropNominated()
	q.Host = q.Fields.Get(proxy.Host)
	q.Length = int64(len(raw) - at)
	q.Body = nil
	if q.Length > 0 {
		m.body = onceBody{b: raw[at:]}
		q.Body = &m.body
	}
	x.W, x.Conn = m, c
	m.out, m.sent, m.aborted = m.out[:0], m.sent[:0], false
	return x
}

func (m *memory) Interim(int, *proxy.Fields) error { return nil }
func (m *memory) Head(r *proxy.Response) error {
	m.out = append(m.out, "HTTP/1.1 "...)
	m.out = append(m.out, byte('0'+r.Status/100), byte('0'+r.Status/10%10), byte('0'+r.Status%10), '\r', '\n')
	m.out = r.Fields.AppendLines(m.out)
	m.out = append(m.out, '\r', '\n')
	return nil
}
func (m *memory) Body(p []byte) error                 { m.out = append(m.out, p...); return nil }
func (m *memory) Flush() error                        { return nil }
func (m *memory) End(*proxy.Fields) error             { return nil }
func (m *memory) Abort()                              { m.aborted = true }
func (m *memory) Tunnel() (io.ReadWriteCloser, error) { return nil, errors.New("no tunnels here") }
func (m *memory) Context() context.Context            { return context.Background() }

// Forward plays the instance.
func (m *memory) Forward(x *proxy.Exchange, _ *upstream.Endpoint) error {
	m.sent = append(m.sent, x.Request.Method...)
	m.sent = append(append(m.sent, ' '), x.Request.Path...)
	m.sent = append(m.sent, " HTTP/1.1\r\n"...)
	m.sent = x.Request.Fields.AppendLines(m.sent)
	m.sent = append(m.sent, '\r', '\n')
	for x.Request.Body != nil {
		b, err := x.Request.Body.Next()
		if err != nil {
			break
		}
		m.sent = append(m.sent, b...)
	}
	r := &x.Response
	r.Status = 200
	at := parseHead(&r.Fields, m.reply, bytes.IndexByte(m.reply, '\n')+1)
	r.Length = int64(len(m.reply) - at)
	m.body = onceBody{b: m.reply[at:]}
	r.Body = &m.body
	return nil
}
func (m *memory) Done(*proxy.Exchange, bool) {}

// gateway is the whole pipeline in front of a memory engine.
type gateway struct {
	proxy *proxy.Proxy
	set   *upstream.Set
	conn  *proxy.Conn
	limit *limit.Limit
}

type routeOption func(*proxy.Route)

func newGateway(t testing.TB, f proxy.Forwarder, options ...routeOption) *gateway {
	t.Helper()
	g := &gateway{set: upstream.NewSet(upstream.Options{})}
	pool, err := g.set.Pool(upstream.PoolSpec{Service: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	g.set.Apply(&catalog.Snapshot{Source: "static", Services: map[string]*catalog.Service{"orders": {Name: "orders", Instances: []catalog.Instance{
		{Key: "a", Address: "10.0.0.1", Port: 80, Weight: 1},
		{Key: "b", Address: "10.0.0.2", Port: 80, Weight: 1},
	}}}})
	block := &limits.TokenBucket{Rate: "1000000000/s"}
	spec, err := block.Spec()
	if err != nil {
		t.Fatal(err)
	}
	g.limit = limit.New(limit.Spec{
		Name: "per_ip", Algorithm: limits.TokenBucketName, Limit: spec, Cost: 1,
		Key: []limit.KeyPart{{Kind: limit.ClientIP}}, IPv4Prefix: 32, IPv6Prefix: 64,
	}, spec.New(limits.Options{}), nil, nil)
	r := &proxy.Route{
		Rule: router.Rule{Name: "orders", PathPrefix: "/orders"}, Service: "orders", Pool: pool,
		Steps: []proxy.Step{limit.NewPhase([]*limit.Limit{g.limit}, limits.NewWaiters(1))},
	}
	for _, o := range options {
		o(r)
	}
	table, err := proxy.NewTable(1, nil, []*proxy.Route{r})
	if err != nil {
		t.Fatal(err)
	}
	g.proxy = proxy.New(limits.NewClock(), f)
	g.proxy.Swap(table)
	l := &proxy.Listener{Name: "public", Port: 8080, Path: router.PathOptions{MergeSlashes: true}}
	g.conn = proxy.NewConn(l, netip.MustParseAddrPort("192.0.2.7:40000"), false)
	return g
}

const reply = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: keep-alive\r\nX-App: orders\r\n\r\n{\"ok\":true}"

// discard takes log lines as fast as they come.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

// TestSeamAllocatesNothing drives the whole story of a request from raw bytes:
// fields, identity, match, limit with its fields, least connections, both head
// edits, counters and an access log line.
func TestSeamAllocatesNothing(t *testing.T) {
	for name, raw := range map[string]string{
		"get":    "GET /orders/17?page=2 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: */*\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: keep-alive\r\n\r\n",
		"post":   "POST /orders HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
		"put":    "PUT /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\n\r\nhello",
		"edited": "GET //orders/./%41 HTTP/1.1\r\nHost: api.example.com\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n",
		"404":    "GET /nothing HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{reply: []byte(reply)}
			g := newGateway(t, m)
			sink := accesslog.NewSink(1)
			ctx, cancel := context.WithCancel(t.Context())
			written := make(chan error, 1)
			go func() { written <- sink.Run(ctx, func() (io.WriteCloser, error) { return discard{}, nil }) }()
			t.Cleanup(func() {
				cancel()
				if err := <-written; err != nil {
					t.Error(err)
				}
			})
			g.proxy.SetLog(&proxy.Log{Sink: sink})
			in := []byte(raw)
			once := func() { g.proxy.Serve(m.request(in, g.conn)) }
			once()
			want := 200
			if name == "404" {
				want = 404
			}
			if m.x.Response.Status != want || m.aborted {
				t.Fatalf("status %d, aborted %v: %s", m.x.Response.Status, m.aborted, m.out)
			}
			if n := testing.AllocsPerRun(2000, once); n != 0 {
				t.Errorf("%v allocations a request", n)
			}
			if sink.Lines()+sink.Dropped() == 0 {
				if err := sink.Flush(ctx); err != nil || sink.Lines() == 0 {
					t.Errorf("no log line came through: %v", err)
				}
			}
		})
	}
}

func BenchmarkSeam(b *testing.B) {
	m := &memory{reply: []byte(reply)}
	g := newGateway(b, m)
	in := []byte("GET /orders/17?page=2 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		g.proxy.Serve(m.request(in, g.conn))
	}
}
