package trial

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// Gateway is a pipeline with one instance behind it, "orders". It serves one request
// at a time, and one more at a time for each Another.
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
	first *Visitor
}

// Answer is what came of a request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	// Upstream is what the instance got, nil when the request did not get so far.
	Upstream *Request
	// Gone says that nothing was answered, because the client had gone.
	Gone bool
}

// Request is what an instance got.
type Request struct {
	Method, Path, Query string
	HasQuery            bool
	// User is who the steps before have found out that the client is.
	User   string
	Header http.Header
	// Lines are the fields in their order, "Name: value" each.
	Lines []string
}

// pick returns the lines of the fields that an instance may take for these.
func (r *Request) pick(names []string) []string {
	var lines []string
	for _, l := range r.Lines {
		name, _, _ := strings.Cut(l, ": ")
		if slices.ContainsFunc(names, func(n string) bool { return proxy.NewAlike(n).Is([]byte(name)) }) {
			lines = append(lines, l)
		}
	}
	return lines
}

// New returns a gateway with these routes. Those with a Service have an instance.
func New(ctx context.Context, routes ...*proxy.Route) (*Gateway, error) {
	g := &Gateway{Client: "192.0.2.7"}
	g.first = g.Another(ctx)
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

// SetTracing changes which requests are recorded.
func (g *Gateway) SetTracing(t *proxy.Tracing) { g.proxy.SetTracing(t) }

// Ask sends a request to an address such as "example.com/a?b=c". Fields are
// "Name: value".
func (g *Gateway) Ask(method, address string, fields ...string) Answer {
	return g.first.Ask(method, address, fields...)
}

// Serve is Ask for benchmarks: it leaves the answer alone.
func (g *Gateway) Serve(method, address string, fields ...string) {
	g.first.serve(method, address, fields...)
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
	got := &x.W.(*client).got
	got.Upstream = &Request{
		Method: string(q.Method), Path: string(q.Path), Query: string(q.Query), HasQuery: q.HasQuery,
		User: x.User.Name, Header: header(&q.Fields),
	}
	for n := range q.Fields.Len() {
		if q.Fields.Live(n) {
			got.Upstream.Lines = append(got.Upstream.Lines, string(q.Fields.Name(n))+": "+string(q.Fields.Value(n)))
		}
	}
	x.Response.Fields.Reset(nil)
	x.Response.Status = 200
	if i.Instance != nil {
		i.Instance(&x.Response)
	}
	return nil
}

func (i *instance) Done(*proxy.Exchange, bool) {}

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

// Network is the network that an address alone makes up.
func Network(address string) netip.Prefix {
	a := netip.MustParseAddr(address)
	return netip.PrefixFrom(a, a.BitLen())
}
