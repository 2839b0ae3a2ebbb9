package trial

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// Gateway is a pipeline with one instance behind it, "orders". It serves one request
// at a time.
type Gateway struct {
	// Listener is what requests come in by. It merges slashes.
	Listener proxy.Listener
	// TLS says that they come by TLS, Client from where.
	TLS    bool
	Client string
	// Identity is who a token would have said that the client is, for steps behind
	// the one that reads it. Nil for nobody.
	Identity proxy.Identity
	// Instance fills in the instance's answer; nil is 200 without fields.
	Instance func(r *proxy.Response)

	proxy *proxy.Proxy
	x     proxy.Exchange
	ctx   context.Context //nolint:containedctx // it plays the connection's
	got   Answer
}

// Answer is what came of a request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	// Upstream is what the instance got, nil when the request did not get so far.
	Upstream *Request
}

// Request is what an instance got.
type Request struct {
	Method, Path, Query string
	HasQuery            bool
	Header              http.Header
}

// New returns a gateway with these routes. Those with a Service have an instance.
func New(ctx context.Context, routes ...*proxy.Route) (*Gateway, error) {
	g := &Gateway{Client: "192.0.2.7", ctx: ctx}
	g.Listener.Name, g.Listener.Port, g.Listener.Path = "public", 8080, router.PathOptions{MergeSlashes: true}
	set := upstream.NewSet(upstream.Options{})
	set.Apply(&catalog.Snapshot{Source: "static", Services: map[string]*catalog.Service{
		"orders": {Name: "orders", Instances: []catalog.Instance{{Key: "a", Address: "10.0.0.1", Port: 80, Weight: 1}}},
	}})
	for _, r := range routes {
		if r.Service != "" {
			pool, err := set.Pool(upstream.PoolSpec{Service: r.Service})
			if err != nil {
				return nil, fmt.Errorf("making a pool: %w", err)
			}
			r.Pool = pool
		}
		r.Steps = append([]proxy.Step{identify{g}}, r.Steps...)
	}
	table, err := proxy.NewTable(1, nil, routes)
	if err != nil {
		return nil, fmt.Errorf("making a table: %w", err)
	}
	g.proxy = proxy.New(limits.NewClock(), (*instance)(g))
	g.proxy.Swap(table)
	return g, nil
}

// Ask sends a request to an address such as "example.com/a?b=c". Fields are
// "Name: value".
func (g *Gateway) Ask(method, address string, fields ...string) Answer {
	g.Serve(method, address, fields...)
	return g.got
}

// Serve is Ask for benchmarks: it leaves the answer alone.
func (g *Gateway) Serve(method, address string, fields ...string) {
	host, target, _ := strings.Cut(address, "/")
	path, query, has := strings.Cut("/"+target, "?")
	x := &g.x
	x.W, x.Conn = (*client)(g), proxy.NewConn(&g.Listener, Peer(g.Client), g.TLS)
	q := &x.Request
	q.Method, q.Verb = []byte(method), proxy.MethodOf([]byte(method))
	q.Host, q.Path, q.Query, q.HasQuery = []byte(host), []byte(path), []byte(query), has
	q.Protocol = proxy.HTTP11
	q.Fields.Reset(nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		q.Fields.Foreign(name, value)
	}
	g.got = Answer{Header: http.Header{}}
	g.proxy.Serve(x)
}

// Peer is the other end of a connection from that address.
func Peer(address string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(address), 40000)
}

// identify stands for the steps that find out who asks.
type identify struct{ g *Gateway }

func (i identify) Request(x *proxy.Exchange) bool {
	x.Identity = i.g.Identity
	return true
}

// instance is the client half of an engine, without a wire.
type instance Gateway

func (i *instance) Forward(x *proxy.Exchange, _ *upstream.Endpoint) error {
	q := &x.Request
	i.got.Upstream = &Request{
		Method: string(q.Method), Path: string(q.Path), Query: string(q.Query), HasQuery: q.HasQuery, Header: header(&q.Fields),
	}
	x.Response.Fields.Reset(nil)
	x.Response.Status = 200
	if i.Instance != nil {
		i.Instance(&x.Response)
	}
	return nil
}

func (i *instance) Done(*proxy.Exchange, bool) {}

// client is the server half.
type client Gateway

func (c *client) Interim(int, *proxy.Fields) error { return nil }

func (c *client) Head(r *proxy.Response) error {
	c.got.Status, c.got.Header = r.Status, header(&r.Fields)
	return nil
}

func (c *client) Body(p []byte) error {
	c.got.Body += string(p)
	return nil
}

func (c *client) Flush() error                        { return nil }
func (c *client) End(*proxy.Fields) error             { return nil }
func (c *client) Abort()                              {}
func (c *client) Tunnel() (io.ReadWriteCloser, error) { return nil, io.ErrClosedPipe }
func (c *client) Context() context.Context            { return c.ctx }

// header returns what would be forwarded of a section.
func header(f *proxy.Fields) http.Header {
	h := http.Header{}
	for i := range f.Len() {
		if f.Live(i) {
			h.Add(string(f.Name(i)), string(f.Value(i)))
		}
	}
	return h
}
