package proxy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial"
)

// TestAltSvc is for clients of our own that came by TLS, whoever answers them.
func TestAltSvc(t *testing.T) {
	const value = `h3=":443"; ma=60`
	g := trials(t, func(g *trial.Gateway) { g.Listener.AltSvc = value })
	for _, path := range []string{"h/shop", "h/nothing"} {
		for _, tls := range []bool{false, true} {
			g.TLS = tls
			if a := g.Ask("GET", path); (a.Header.Get("Alt-Svc") == value) != tls {
				t.Errorf("%s with TLS %t: %v", path, tls, a.Header)
			}
		}
	}
	g.Instance = func(r *proxy.Response) { r.Fields.AddName("alt-svc", "clear") }
	if a := g.Ask("GET", "h/shop"); strings.Join(a.Header.Values("Alt-Svc"), "+") != "clear" {
		t.Errorf("the instance's own is gone: %v", a.Header)
	}
}

// TestAltSvcIsNotForProxies: who stands behind one has not spoken to our address.
func TestAltSvcIsNotForProxies(t *testing.T) {
	g := trials(t, func(g *trial.Gateway) {
		g.TLS, g.Client = true, "192.0.2.1"
		g.Listener.AltSvc = `h3=":443"; ma=60`
		g.Listener.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	if a := g.Ask("GET", "h/shop"); a.Status != 200 || a.Header.Get("Alt-Svc") != "" {
		t.Errorf("%+v", a)
	}
}
