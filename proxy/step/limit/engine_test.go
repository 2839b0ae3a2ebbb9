package limit

import (
	"context"
	"io"
	"net/netip"
	"testing"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// engine carries exchanges from and to nowhere.
type engine struct {
	x       proxy.Exchange
	ctx     context.Context //nolint:containedctx // it plays the connection's
	status  int
	fields  map[string]string
	aborted bool
	passed  int // exchanges that reached the instance
}

func (e *engine) Interim(int, *proxy.Fields) error { return nil }
func (e *engine) Head(r *proxy.Response) error {
	e.status, e.fields = r.Status, map[string]string{}
	for i := range r.Fields.Len() {
		e.fields[string(r.Fields.Name(i))] = string(r.Fields.Value(i))
	}
	return nil
}
func (e *engine) Body([]byte) error                   { return nil }
func (e *engine) Flush() error                        { return nil }
func (e *engine) End(*proxy.Fields) error             { return nil }
func (e *engine) Abort()                              { e.aborted = true }
func (e *engine) Tunnel() (io.ReadWriteCloser, error) { return nil, io.ErrClosedPipe }
func (e *engine) Context() context.Context            { return e.ctx }
func (e *engine) Done(*proxy.Exchange, bool)          {}
func (e *engine) Forward(x *proxy.Exchange, _ *upstream.Endpoint) error {
	e.passed++
	x.Response.Fields.Reset(nil)
	x.Response.Status = 200
	return nil
}

// world is a gateway whose gateway steps and one route ask limits.
type world struct {
	*engine
	proxy *proxy.Proxy
	conn  *proxy.Conn
	route *proxy.Route
}

func newWorld(t testing.TB, gateway, route []proxy.Step, edit ...func(*proxy.Route)) *world {
	t.Helper()
	set := upstream.NewSet(upstream.Options{})
	pool, err := set.Pool(upstream.PoolSpec{Service: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	set.Apply(&catalog.Snapshot{Source: "static", Services: map[string]*catalog.Service{
		"orders": {Name: "orders", Instances: []catalog.Instance{{Key: "a", Address: "10.0.0.1", Port: 80, Weight: 1}}},
	}})
	w := &world{engine: &engine{ctx: t.Context()}}
	w.route = &proxy.Route{Rule: router.Rule{Name: "shop", PathPrefix: "/shop"}, Service: "orders", Pool: pool, Steps: route}
	for _, e := range edit {
		e(w.route)
	}
	table, err := proxy.NewTable(1, gateway, []*proxy.Route{w.route})
	if err != nil {
		t.Fatal(err)
	}
	w.proxy = proxy.New(limits.NewClock(), w.engine)
	w.proxy.Swap(table)
	w.from("192.0.2.7")
	return w
}

// from makes the next requests come from that address.
func (w *world) from(address string) {
	w.conn = proxy.NewConn(&proxy.Listener{}, netip.AddrPortFrom(netip.MustParseAddr(address), 1), false)
}

// ask sends a request and returns the status of the answer.
func (w *world) ask(path string, fields ...string) int {
	x := &w.x
	x.W, x.Conn = w.engine, w.conn
	q := &x.Request
	q.Method, q.Verb, q.Path, q.Host = []byte("GET"), proxy.MethodGet, []byte(path), []byte("api.example.com")
	q.Fields.Reset(nil)
	for i := 0; i < len(fields); i += 2 {
		q.Fields.Foreign(fields[i], fields[i+1])
	}
	w.status, w.aborted = 0, false
	w.proxy.Serve(x)
	return w.status
}

// bucket returns a limit of so many requests an hour, keyed by the client's
// address.
func bucket(t testing.TB, name string, burst int64, edit ...func(*Spec)) *Limit {
	t.Helper()
	return limitOf(t, name, &limits.TokenBucket{Rate: "1/h", Burst: burst}, edit...)
}

func limitOf(t testing.TB, name string, b limits.Block, edit ...func(*Spec)) *Limit {
	t.Helper()
	spec, err := b.Spec()
	if err != nil {
		t.Fatal(err)
	}
	s := Spec{Name: name, Algorithm: spec.Algorithm(), Limit: spec, Cost: 1, Key: []KeyPart{{Kind: ClientIP}}, IPv4Prefix: 32, IPv6Prefix: 64}
	for _, e := range edit {
		e(&s)
	}
	return New(s, spec.New(limits.Options{}), nil, NewHosts([]string{"api.example.com", "*.example.com"}))
}

func mode(m Mode) func(*Spec)            { return func(s *Spec) { s.Mode = m } }
func keyed(parts ...KeyPart) func(*Spec) { return func(s *Spec) { s.Key = parts } }
func steps(p *Phase) []proxy.Step        { return []proxy.Step{p} }
func alone(list ...*Limit) []proxy.Step  { return steps(NewPhase(list, limits.NewWaiters(10))) }
func (c *Counters) all() (a [5]uint64) {
	return [5]uint64{c.Allowed.Load(), c.Delayed.Load(), c.Denied.Load(), c.WouldDeny.Load(), c.StoreError.Load()}
}
