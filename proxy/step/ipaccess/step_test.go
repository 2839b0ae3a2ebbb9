package ipaccess

import (
	"context"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// client is the other end of an exchange, and an instance that is never reached.
type client struct {
	ctx    context.Context //nolint:containedctx // it plays the connection's
	status int
	body   string
}

func (c *client) Interim(int, *proxy.Fields) error { return nil }
func (c *client) Head(r *proxy.Response) error     { c.status = r.Status; return nil }

func (c *client) Body(p []byte) error                               { c.body += string(p); return nil }
func (c *client) Flush() error                                      { return nil }
func (c *client) End(*proxy.Fields) error                           { return nil }
func (c *client) Abort()                                            {}
func (c *client) Tunnel() (io.ReadWriteCloser, error)               { return nil, io.ErrClosedPipe }
func (c *client) Context() context.Context                          { return c.ctx }
func (c *client) Done(*proxy.Exchange, bool)                        {}
func (c *client) Forward(*proxy.Exchange, *upstream.Endpoint) error { return io.ErrClosedPipe }

// passed is a step that answers what reaches it.
type passed struct{}

func (passed) Request(x *proxy.Exchange) bool {
	x.Answer(proxy.ServiceUnknown, "", nil)
	return false
}

// TestStep asks through trusted proxies, too: what matters is the client.
func TestStep(t *testing.T) {
	set, err := NewSet(rules(t, []string{"192.0.2.0/24"}, []string{"192.0.2.66"}), false)
	if err != nil {
		t.Fatal(err)
	}
	route := &proxy.Route{
		Rule: router.Rule{Name: "orders", PathPrefix: "/"}, Service: "orders",
		Steps: []proxy.Step{New(&Spec{Set: set}), passed{}},
	}
	table, err := proxy.NewTable(1, nil, []*proxy.Route{route})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{ctx: t.Context()}
	gateway := proxy.New(limits.NewClock(), c)
	gateway.Swap(table)
	listener := &proxy.Listener{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for _, tt := range []struct {
		peer, claims string
		allowed      bool
	}{
		{"192.0.2.7", "", true},
		{"::ffff:192.0.2.7", "", true},
		{"192.0.2.66", "", false},
		{"192.0.2.66", "192.0.2.7", false}, // it is not believed
		{"198.51.100.1", "192.0.2.7", false},
		{"10.0.0.1", "192.0.2.7", true},
		{"10.0.0.1", "192.0.2.7, 198.51.100.1", false},
		{"10.0.0.1", "", false},
	} {
		x := &proxy.Exchange{W: c, Conn: proxy.NewConn(listener, netip.AddrPortFrom(netip.MustParseAddr(tt.peer), 1), false)}
		q := &x.Request
		q.Method, q.Verb, q.Path = []byte("GET"), proxy.MethodGet, []byte("/")
		q.Fields.Reset(nil)
		if tt.claims != "" {
			q.Fields.Foreign("X-Forwarded-For", tt.claims)
		}
		c.status, c.body = 0, ""
		gateway.Serve(x)
		if c.status == 503 != tt.allowed || !tt.allowed && (c.status != 403 || !strings.Contains(c.body, "address-denied")) {
			t.Errorf("%+v: %d %s", tt, c.status, c.body)
		}
	}
	counts := map[string]uint64{}
	route.Metrics.EachStepResult(func(step, result string, n uint64) { counts[step+" "+result] = n })
	if counts["ip_access allowed"] != 3 || counts["ip_access denied"] != 5 {
		t.Errorf("counted %v", counts)
	}
}
