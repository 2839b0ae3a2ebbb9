package externalauth

import (
	"context"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// side is both ends of an exchange: the client, and the instance.
type side struct {
	ctx    context.Context //nolint:containedctx // it plays the connection's
	status int
	fields map[string]string
	body   string
	seen   []string // by the instance, with the user
	gone   bool
}

func (c *side) Interim(int, *proxy.Fields) error { return nil }

func (c *side) Head(r *proxy.Response) error {
	c.status, c.fields = r.Status, map[string]string{}
	for i := range r.Fields.Len() {
		c.fields[string(r.Fields.Name(i))] = string(r.Fields.Value(i))
	}
	return nil
}

func (c *side) Body(p []byte) error                 { c.body += string(p); return nil }
func (c *side) Flush() error                        { return nil }
func (c *side) End(*proxy.Fields) error             { return nil }
func (c *side) Abort()                              { c.gone = true }
func (c *side) Tunnel() (io.ReadWriteCloser, error) { return nil, io.ErrClosedPipe }
func (c *side) Context() context.Context            { return c.ctx }
func (c *side) Done(*proxy.Exchange, bool)          {}

func (c *side) Forward(x *proxy.Exchange, _ *upstream.Endpoint) error {
	c.seen = []string{"passed"}
	if x.Request.HasQuery {
		c.seen = append(c.seen, "?"+string(x.Request.Query))
	}
	f := &x.Request.Fields
	for i := range f.Len() {
		if name := string(f.Name(i)); f.Live(i) && (proxy.NewAlike("X-User").Is([]byte(name)) || name == "Authorization") {
			c.seen = append(c.seen, name+": "+string(f.Value(i)))
		}
	}
	x.Response.Fields.Reset(nil)
	x.Response.Status = 200
	return nil
}

// door is a gateway with one route that asks for passwords.
type door struct {
	gateway *proxy.Proxy
	route   *proxy.Route
	side    *side
	query   string
}

func newDoor(t testing.TB, s *side, step proxy.Step) *door {
	t.Helper()
	set := upstream.NewSet(upstream.Options{})
	pool, err := set.Pool(upstream.PoolSpec{Service: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	set.Apply(&catalog.Snapshot{Source: "static", Services: map[string]*catalog.Service{
		"orders": {Name: "orders", Instances: []catalog.Instance{{Key: "a", Address: "10.0.0.1", Port: 80, Weight: 1}}},
	}})
	d := &door{side: s}
	d.route = &proxy.Route{Rule: router.Rule{Name: "orders", PathPrefix: "/"}, Service: "orders", Pool: pool, Steps: []proxy.Step{step}, Timeout: time.Minute}
	table, err := proxy.NewTable(1, nil, []*proxy.Route{d.route})
	if err != nil {
		t.Fatal(err)
	}
	d.gateway = proxy.New(limits.NewClock(), s)
	d.gateway.Swap(table)
	return d
}

// ask sends a request with these lines, "name: value" each.
func (d *door) ask(lines ...string) int {
	s := d.side
	x := &proxy.Exchange{W: s, Conn: proxy.NewConn(&proxy.Listener{}, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.7"), 1), false)}
	q := &x.Request
	q.Method, q.Verb, q.Path = []byte("GET"), proxy.MethodGet, []byte("/")
	q.Query, q.HasQuery = []byte(d.query), d.query != ""
	q.Fields.Reset(nil)
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		q.Fields.Foreign(name, value)
	}
	s.status, s.body, s.seen, s.gone = 0, "", nil, false
	d.gateway.Serve(x)
	return s.status
}

func (d *door) counted() map[string]uint64 {
	out := map[string]uint64{}
	d.route.Metrics.EachStepResult(func(_, result string, n uint64) { out[result] = n })
	return out
}
