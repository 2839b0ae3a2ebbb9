package jwt

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// nobody is a forwarder that must not be asked.
type nobody struct{ t *testing.T }

func (n nobody) Forward(*proxy.Exchange, *upstream.Endpoint) error {
	n.t.Error("a request without a token was forwarded")
	return &proxy.ForwardError{Cause: proxy.Refused}
}
func (nobody) Done(*proxy.Exchange, bool) {}

// TestInPipeline drives a whole pipeline: a refusal is a full answer, and waiting
// for keys ends with the route's timeout.
func TestInPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(basis(), new(Counters))
		if _, err := p.install(jwks(t, keyNamed("a"))); err != nil {
			t.Fatal(err)
		}
		p.demand.serve() // a keeper that never comes back
		defer p.demand.quit()
		table, err := proxy.NewTable(1, nil, []*proxy.Route{{
			Rule: router.Rule{Name: "orders", PathPrefix: "/orders"}, Service: "orders", Timeout: 2 * time.Second,
			Steps: []proxy.Step{step(t, []*Provider{p}, &RouteSpec{Provider: "main"})},
		}})
		if err != nil {
			t.Fatal(err)
		}
		gateway := proxy.New(limits.NewClock(), nobody{t})
		gateway.Swap(table)
		conn := proxy.NewConn(&proxy.Listener{Name: "public", Port: 8080}, netip.MustParseAddrPort("192.0.2.7:40000"), false)
		serve := func(lines ...string) (*client, time.Duration) {
			x, c := exchange("", lines...)
			c.ctx = context.Background()
			x.Conn = conn
			q := &x.Request
			q.Method, q.Verb, q.Target, q.Path, q.Protocol = []byte("GET"), proxy.MethodOf([]byte("GET")), []byte("/orders"), []byte("/orders"), proxy.HTTP11
			start := time.Now()
			gateway.Serve(x)
			return c, time.Since(start)
		}
		c, took := serve()
		if c.status != 401 || len(c.fields["x-request-id"]) != 1 || len(c.fields["proxy-status"]) != 1 || c.fields["content-type"][0] != "application/problem+json" || took != 0 {
			t.Errorf("%d after %v: %v", c.status, took, c.fields)
		}
		claims := good(object{"exp": time.Now().Unix() + 3600})
		c, took = serve("Authorization: Bearer " + sign(t, "EdDSA", object{"alg": "EdDSA", "kid": "b"}, claims, keyring().ed))
		if c.status != 401 || took != 2*time.Second {
			t.Errorf("an unknown key: %d after %v", c.status, took)
		}
	})
}
