//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// What a client may claim about itself is nothing.
func TestSpoofedForwardingFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	got := w.gateway.Get("/orders/1",
		"Host: shop.example",
		"X-Forwarded-For: 1.2.3.4",
		"X-Forwarded-For: 5.6.7.8",
		"X-Forwarded-Proto: https",
		"X-Forwarded-Host: evil.example",
		"X-Forwarded-Port: 1",
		"X-Forwarded-Prefix: /evil",
		"Forwarded: for=1.2.3.4;host=evil.example",
		"X-Real-IP: 1.2.3.4",
		"X-Original-URL: /admin",
		"X-Rewrite-URL: /admin",
		"Proxy: http://evil.example",
		"X_Forwarded_For: 1.2.3.4",
		"X_Forwarded-Host: evil.example",
		"X-Request-Id: chosen-by-the-client",
		"X-Harmless: kept",
	)
	if got.Status != http.StatusOK {
		t.Fatalf("status %d: %s", got.Status, got.Body)
	}
	saw := got.Echo(t)
	for name, want := range map[string][]string{
		"X-Forwarded-For":   {"127.0.0.1"},
		"X-Forwarded-Proto": {"http"},
		"X-Forwarded-Host":  {"shop.example"},
		"Via":               {"1.1 lictor"},
		"X-Harmless":        {"kept"},
	} {
		if !slices.Equal(saw.Header.Values(name), want) {
			t.Errorf("%s is %q, want %q", name, saw.Header.Values(name), want)
		}
	}
	for _, name := range []string{
		"Forwarded", "X-Real-Ip", "X-Original-Url", "X-Rewrite-Url", "Proxy", "X_forwarded_for", "X_forwarded-Host", "X-Forwarded-Prefix",
	} {
		for field, values := range saw.Header {
			if strings.EqualFold(field, name) {
				t.Errorf("%s: %q went upstream", field, values)
			}
		}
	}
	if port := saw.Header.Get("X-Forwarded-Port"); port == "1" {
		t.Errorf("X-Forwarded-Port is what the client said: %q", port)
	}
	if saw.Host != "shop.example" {
		t.Errorf("Host is %q upstream", saw.Host)
	}
	id := got.Header.Get("X-Request-Id")
	if id == "" || id == "chosen-by-the-client" {
		t.Errorf("X-Request-Id is %q", id)
	}
	if upstream := saw.Header.Get("X-Request-Id"); upstream != id {
		t.Errorf("X-Request-Id is %q upstream and %q to the client", upstream, id)
	}
	if saw.Header.Get("Traceparent") == "" {
		t.Error("no traceparent upstream")
	}
	if via := got.Header.Get("Via"); via != "" {
		t.Errorf("Via goes to the client: %q", via)
	}
}

// From a trusted peer the field is read from the right, as far as trust goes.
func TestTrustedProxy(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, harness.Options{
		Listener: `trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]`,
		Policies: ordersRoute + `
limit "token_bucket" "each" {
  rate  = "1/h"
  burst = 1
  key   = [client.ip]
}
route "limited" {
  path_prefix = "/limited"
  service     = "orders"
  limits      = ["each"]
}
`,
	})
	saw := w.gateway.Get("/orders", "X-Forwarded-For: 1.1.1.1, 9.9.9.9, 10.1.2.3", "X-Request-Id: from-the-edge").Echo(t)
	if id := saw.Header.Get("X-Request-Id"); id != "from-the-edge" {
		t.Errorf("a trusted peer's X-Request-Id became %q", id)
	}
	// The client is 9.9.9.9, whatever it wrote to the left of that.
	for n, test := range []struct {
		field string
		want  int
	}{
		{"X-Forwarded-For: 9.9.9.9", http.StatusOK},
		{"X-Forwarded-For: 1.1.1.1, 9.9.9.9, 10.1.2.3", http.StatusTooManyRequests},
		{"X-Forwarded-For: 2.2.2.2, 9.9.9.9", http.StatusTooManyRequests},
		{"X-Forwarded-For: 8.8.8.8", http.StatusOK},
		{"Forwarded: for=7.7.7.7", http.StatusOK}, // not read: the client is 127.0.0.1
		{"Forwarded: for=6.6.6.6", http.StatusTooManyRequests},
	} {
		if a := w.gateway.Get("/limited", test.field); a.Status != test.want {
			t.Errorf("%d: %s: status %d, want %d", n, test.field, a.Status, test.want)
		}
	}
}

func TestHopByHopFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	w.orders[0].Handle("/orders/answer", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Connection", "X-Upstream-Hop")
		rw.Header().Set("X-Upstream-Hop", "1")
		rw.Header().Set("Keep-Alive", "timeout=5")
		rw.Header().Set("X-End-To-End", "1")
	})
	a := w.gateway.Get("/orders/answer")
	for name, want := range map[string]string{"X-Upstream-Hop": "", "Keep-Alive": "", "X-End-To-End": "1"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("answer: %s is %q, want %q", name, got, want)
		}
	}

	a = w.gateway.Raw("GET /orders/1 HTTP/1.1\r\nHost: x\r\n" +
		"Connection: close, X-Hop, Authorization, Host, X-Forwarded-For, X-Request-Id, Upgrade, HTTP2-Settings\r\n" +
		"X-Hop: 1\r\nAuthorization: Bearer kept\r\nTE: trailers, gzip\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n" +
		"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	saw := a.Echo(t)
	for name, want := range map[string]string{
		"X-Hop": "", "Keep-Alive": "", "Proxy-Connection": "", "Upgrade": "", "Http2-Settings": "",
		"Authorization": "Bearer kept", "X-Forwarded-For": "127.0.0.1",
	} {
		if got := saw.Header.Get(name); got != want {
			t.Errorf("request: %s is %q upstream, want %q", name, got, want)
		}
	}
	if saw.Header.Get("X-Request-Id") == "" {
		t.Error("request: X-Request-Id was nominated away")
	}
}

// The path that is matched is the path that is forwarded, so that no spelling of
// a path opens a route that another one guards.
func TestPathNormalisation(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	orders := harness.StartInstance(t, "orders", "orders-1")
	admin := harness.StartInstance(t, "admin", "admin-1")
	consul.Register(orders, admin)
	gateway := harness.StartGateway(t, harness.Options{Consul: consul.Address(), Policies: ordersRoute + `
route "admin" {
  path_prefix = "/admin"
  service     = "admin"
}
`})
	harness.Within(t, harness.Patience, "admin serves", onlyBy(gateway, "/admin", admin))
	harness.Within(t, harness.Patience, "orders serve", onlyBy(gateway, "/orders", orders))

	for _, test := range []struct{ target, instance, want string }{
		{"/orders/1", "orders-1", "/orders/1"},
		{"/orders/../admin", "admin-1", "/admin"},
		{"/orders/%2e%2e/admin", "admin-1", "/admin"},
		{"/orders/.%2E/admin/x", "admin-1", "/admin/x"},
		{"/orders/./a", "orders-1", "/orders/a"},
		{"/../../orders/a", "orders-1", "/orders/a"},
		{"//orders//a", "orders-1", "/orders/a"},
		{"/%6frders/%61", "orders-1", "/orders/a"},
		{"/orders/%7e%2D", "orders-1", "/orders/~-"},
		{"/orders/a%2fb", "orders-1", "/orders/a%2Fb"},
		{"/orders/%c3%a4", "orders-1", "/orders/%C3%A4"},
		{"/orders/a?x=%2e%2e/../&y=a//b", "orders-1", "/orders/a?x=%2e%2e/../&y=a//b"},
		{"/orders/a;v=1", "orders-1", "/orders/a;v=1"},
	} {
		a := gateway.Raw("GET " + test.target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if a.Status != http.StatusOK {
			t.Errorf("%s: status %d: %s", test.target, a.Status, a.Body)
			continue
		}
		if saw := a.Echo(t); saw.Instance != test.instance || saw.RequestURI != test.want {
			t.Errorf("%s reached %s as %s, want %s as %s", test.target, saw.Instance, saw.RequestURI, test.instance, test.want)
		}
	}

	for _, target := range []string{
		"/orders/%00", "/orders/a\\b", "/orders/%5cadmin", "/orders/%5Cadmin", "/orders/%zz", "/orders/%2", "/orders/..%2fadmin",
		"/orders/%2e%2e%2fadmin", "/orders/..;x/admin", "/orders/.;/a", "/orders/a%2f..%2f..%2fadmin",
	} {
		a := gateway.Raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if a.Status != http.StatusBadRequest {
			t.Errorf("%s: status %d from %q: %s", target, a.Status, a.Instance(), a.Body)
		}
	}
}

func TestStripPrefixAndHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, `
route "stripped" {
  hosts        = ["api.example.com", "*.shop.example"]
  path_prefix  = "/v1/orders"
  service      = "orders"
  strip_prefix = "/v1/orders"
}
`)
	for _, test := range []struct {
		host, path string
		want       string // what the instance saw; empty means no route
	}{
		{"api.example.com", "/v1/orders/7?x=1", "/7?x=1"},
		{"API.example.com.", "/v1/orders", "/"},
		{"api.example.com:8080", "/v1/orders/", "/"},
		{"a.b.shop.example", "/v1/orders/7", "/7"},
		{"shop.example", "/v1/orders/7", ""},
		{"api.example.com", "/v1/ordersx", ""},
		{"api.example.com", "/V1/orders", ""},
	} {
		a := w.gateway.Get(test.path, "Host: "+test.host)
		switch {
		case test.want == "" && a.Status != http.StatusNotFound:
			t.Errorf("%s%s: status %d", test.host, test.path, a.Status)
		case test.want != "":
			if a.Status != http.StatusOK {
				t.Errorf("%s%s: status %d: %s", test.host, test.path, a.Status, a.Body)
				continue
			}
			saw := a.Echo(t)
			if saw.RequestURI != test.want || saw.Header.Get("X-Forwarded-Prefix") != "/v1/orders" {
				t.Errorf("%s%s arrived as %s with prefix %q", test.host, test.path, saw.RequestURI, saw.Header.Get("X-Forwarded-Prefix"))
			}
		}
	}
}
