package proxy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/trial"
)

// trials is a gateway with a route of the trial's instance.
func trials(t *testing.T, edit ...func(*trial.Gateway)) *trial.Gateway {
	t.Helper()
	g, err := trial.New(t.Context(), &proxy.Route{Rule: router.Rule{Name: "r", PathPrefix: "/shop"}, Service: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edit {
		e(g)
	}
	return g
}

// TestRedirectToHTTPS: what comes in clear is sent to TLS, once it has a route.
func TestRedirectToHTTPS(t *testing.T) {
	for name, c := range map[string]struct {
		port    uint16
		tls     bool
		method  string
		address string
		field   string
		status  int
		want    string
	}{
		"in clear":                 {443, false, "GET", "Example.com:80/shop/a?b=c", "", 308, "https://example.com/shop/a?b=c"},
		"another port":             {8443, false, "POST", "example.com/shop", "", 308, "https://example.com:8443/shop"},
		"an address":               {443, false, "HEAD", "[2001:db8::1]:80/shop", "", 308, "https://[2001:db8::1]/shop"},
		"the normal form":          {443, false, "GET", "h/x/..//shop/%41", "", 308, "https://h/shop/A"},
		"by TLS":                   {443, true, "GET", "h/shop", "", 200, ""},
		"by TLS at a proxy":        {443, false, "GET", "h/shop", "X-Forwarded-Proto: https", 200, ""},
		"in clear at a proxy":      {443, true, "GET", "h/shop", "X-Forwarded-Proto: http", 308, "https://h/shop"},
		"no route":                 {443, false, "GET", "h/nothing", "", 404, ""},
		"no host":                  {443, false, "GET", "/shop", "", 400, ""},
		"not a host":               {443, false, "GET", "evil.example\\@h/shop", "", 400, ""},
		"a host with a user":       {443, false, "GET", "h@evil.example/shop", "", 400, ""},
		"a host that is not ended": {443, false, "GET", "[::1/shop", "", 400, ""},
		"not asked for":            {0, false, "GET", "h/shop", "", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := trials(t, func(g *trial.Gateway) {
				g.Listener.RedirectPort, g.TLS = c.port, c.tls
				g.Listener.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(g.Client + "/32")}
			})
			var fields []string
			if c.field != "" {
				fields = append(fields, c.field)
			}
			a := g.Ask(c.method, c.address, fields...)
			if a.Status != c.status || a.Header.Get("Location") != c.want || (a.Upstream != nil) != (c.status == 200) {
				t.Errorf("%d to %q, want %d to %q", a.Status, a.Header.Get("Location"), c.status, c.want)
			}
		})
	}
}

// TestForgedScheme: what a stranger says of its own connection is nothing.
func TestForgedScheme(t *testing.T) {
	g := trials(t, func(g *trial.Gateway) { g.Listener.RedirectPort = 443 })
	if a := g.Ask("GET", "h/shop", "X-Forwarded-Proto: https", "Forwarded: proto=https"); a.Status != 308 {
		t.Errorf("%+v", a)
	}
}

// TestHSTS is on what goes out by TLS, whoever made it, and nowhere else.
func TestHSTS(t *testing.T) {
	const value = "max-age=60"
	g := trials(t, func(g *trial.Gateway) { g.Listener.HSTS = value })
	for _, path := range []string{"h/shop", "h/nothing"} {
		for _, tls := range []bool{false, true} {
			g.TLS = tls
			if a := g.Ask("GET", path); (a.Header.Get("Strict-Transport-Security") == value) != tls {
				t.Errorf("%s with TLS %t: %v", path, tls, a.Header)
			}
		}
	}
	g.Instance = func(r *proxy.Response) { r.Fields.AddName("strict-transport-security", "max-age=1") }
	if a := g.Ask("GET", "h/shop"); strings.Join(a.Header.Values("Strict-Transport-Security"), "+") != "max-age=1" {
		t.Errorf("the instance's own is gone: %v", a.Header)
	}
}
