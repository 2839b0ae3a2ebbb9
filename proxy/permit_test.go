package proxy_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// permitFunc is a permit in a test.
type permitFunc func(x *proxy.Exchange) error

func (f permitFunc) Permits(x *proxy.Exchange) error { return f(x) }

var errNotPermitted = errors.New("only /orders/mine")

// permitting lets pass what is below /orders/mine, and nobody without a certificate.
func permitting(s *setup) {
	mine := permitFunc(func(x *proxy.Exchange) error {
		if !strings.HasPrefix(string(x.Request.Path), "/orders/mine") {
			return errNotPermitted
		}
		return nil
	})
	s.listener.HealthPath = "/health"
	s.listener.Permits = func(*x509.Certificate) proxy.Permit { return mine }
}

// TestPermits judges the path that is matched, before anything else is done.
func TestPermits(t *testing.T) {
	steps := 0
	g := newGateway(t, &memory{reply: []byte(reply)}, permitting, func(s *setup) {
		s.gateway = []proxy.Step{stepFunc(func(*proxy.Exchange) bool { steps++; return true })}
	})
	g.conn.SetClientCert(&x509.Certificate{Raw: []byte("shop")})
	for _, c := range []struct {
		target string
		status int
		steps  int
	}{
		{"/orders/mine/1", 200, 1},
		{"/orders/mine", 200, 1},
		{"//orders/./x/../min%65/1", 200, 1},
		{"/orders/mine/../theirs", 403, 0},
		{"/orders/mine/%2e%2E/theirs", 403, 0},
		{"/orders/theirs", 403, 0},
		{"/nothing", 403, 0},
		{"/health", 403, 0},
		{"/orders/mine/..%2ftheirs", 400, 0},
		{`/orders/mine/..\theirs`, 400, 0},
	} {
		steps = 0
		if g.serve(get(c.target)); g.x.Response.Status != c.status || steps != c.steps {
			t.Errorf("%s: %d, %d steps", c.target, g.x.Response.Status, steps)
		}
		l := g.logged()
		if l["path"] != c.target {
			t.Errorf("%s is logged as %v", c.target, l["path"])
		}
		if c.status == 403 && (l["error"] != "permission-denied: "+errNotPermitted.Error() || g.x.Route != nil) {
			t.Errorf("%s is logged as %v", c.target, l)
		}
	}
}

// What nobody has sent is explained as far as it goes without a permit, or by one
// that is given.
func TestPermitsAreExplained(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)}, permitting, func(s *setup) {
		s.gateway = []proxy.Step{stepFunc(func(*proxy.Exchange) bool { return true })}
	})
	mine := func(x *proxy.Exchange, v *proxy.Explanation) error {
		v.Why = "it is " + string(x.Request.Path)
		if !strings.HasPrefix(string(x.Request.Path), "/orders/mine") {
			return errNotPermitted
		}
		return nil
	}
	for _, c := range []struct {
		name, target    string
		permit          proxy.ExplainPermit
		status          int // of the gateway's own answer
		known           bool
		permission, why string
		steps           proxy.Decided
	}{
		{"nobody", "/orders/theirs", nil, 0, false, "not known", "it depends on who asks", proxy.NotExplained},
		{"permitted", "//orders/./x/../min%65/1", mine, 0, false, "passes", "it is /orders/mine/1", proxy.NotExplained},
		{"not permitted", "/orders/mine/../theirs", mine, 403, true, "refuses", "it is /orders/theirs", proxy.NotReached},
		{"not permitted, nor there", "/nothing", mine, 403, true, "refuses", "it is /nothing", proxy.NotReached},
		{"permitted, but not there", "/orders/mine", func(*proxy.Exchange, *proxy.Explanation) error { return nil }, 0, false, "passes", "", proxy.NotExplained},
		{"refused before", "/orders/mine/..%2ftheirs", mine, 400, true, "not reached", "", proxy.NotReached},
	} {
		e := g.proxy.Explain(g.proxy.Table(), g.request([]byte(get(c.target)), g.conn), false, c.permit)
		status := 0
		if e.Answer != nil {
			status = e.Answer.Status
		}
		if status != c.status || (e.Sent != nil) != (status == 0) || e.Known != c.known || len(e.Gateway) != 2 {
			t.Errorf("%s: %d, %+v", c.name, status, e)
			continue
		}
		if p := e.Gateway[0]; p.Step != "permissions" || string(p.Verdict) != c.permission || p.Why != c.why || e.Gateway[1].Verdict != c.steps {
			t.Errorf("%s: %+v", c.name, e.Gateway)
		}
		if status == 403 && (e.Answer.Problem != proxy.PermissionDenied || e.Answer.Cause != errNotPermitted.Error() || e.Route != nil || e.Path != "") {
			t.Errorf("%s: %+v", c.name, e.Answer)
		}
	}
	g.conn.SetClientCert(&x509.Certificate{Raw: []byte("shop")})
	if g.serve(get("/orders/theirs")); g.x.Response.Status != 403 {
		t.Errorf("what is sent after all that gets %d", g.x.Response.Status)
	}
}

// Where nobody needs leave, none is asked for.
func TestPermitsThatNobodyNeeds(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)})
	asked := false
	e := g.proxy.Explain(g.proxy.Table(), g.request([]byte(get("/orders")), g.conn), false, func(*proxy.Exchange, *proxy.Explanation) error {
		asked = true
		return errNotPermitted
	})
	if asked || e.Answer != nil || len(e.Gateway) != 0 {
		t.Errorf("%t, %+v", asked, e)
	}
}

// Where permits are asked for, nobody goes without.
func TestPermitsWithoutCertificate(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)}, permitting)
	if g.serve(get("/orders/mine")); g.x.Response.Status != 403 {
		t.Errorf("%d", g.x.Response.Status)
	}
}

func TestPermitsAllocateNothing(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)}, permitting, silent)
	g.conn.SetClientCert(&x509.Certificate{Raw: []byte("shop")})
	for _, target := range []string{"/orders/mine", "/orders/theirs"} {
		raw := []byte(get(target))
		once := func() { g.proxy.Serve(g.request(raw, g.conn)) }
		once()
		if n := testing.AllocsPerRun(100, once); n != 0 {
			t.Errorf("%s: %v allocations", target, n)
		}
	}
}
