//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// newStatic runs an instance of orders and a gateway that knows it without Consul.
func newStatic(t *testing.T, listener, policies string) (*harness.Instance, *harness.Gateway) {
	t.Helper()
	i := harness.StartInstance(t, "orders", "orders-1")
	return i, harness.StartGateway(t, harness.Options{Listener: listener, Policies: policies, Config: fmt.Sprintf(
		"service \"orders\" {\n  instance {\n    address = %q\n    port    = %d\n  }\n}\n", i.Host, i.Port)})
}

// A redirect is an answer of the gateway's own that a client follows, body and all.
func TestRedirects(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"http1", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			_, g := newStatic(t, `engine = "`+engine+`"`, `
route "old" {
  path_prefix = "/old"
  redirect {
    to = "/orders{rest}{query}"
  }
}
route "seen" {
  path = "/seen"
  redirect {
    to     = "/orders/seen"
    status = 303
  }
}
`+ordersRoute)
			for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
				a := g.Do(method, "/old/1?a=b%20c", strings.NewReader("body"))
				if a.Status != http.StatusPermanentRedirect || a.Header.Get("Location") != "/orders/1?a=b%20c" || len(a.Body) > 0 || a.Header.Get("X-Request-Id") == "" {
					t.Errorf("%s: %d %v %s", method, a.Status, a.Header, a.Body)
				}
			}
			for path, want := range map[string]string{"/old/1": "POST", "/seen": "GET"} {
				response, err := http.Post(g.URL(path), "text/plain", strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				saw, err := harness.ParseEcho(body)
				if err != nil {
					t.Fatal(err)
				}
				if saw.Method != want || (want == "POST") != (saw.BodyBytes == 4) {
					t.Errorf("%s was followed by %s with %d bytes", path, saw.Method, saw.BodyBytes)
				}
			}
		})
	}
}

// What is rewritten reaches the instance so, and the log as it was asked for.
func TestRewrites(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"http1", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			_, g := newStatic(t, `engine = "`+engine+`"`, `
route "items" {
  path_regex = "/items/(?P<id>[0-9]+)(/.*)?"
  service    = "orders"
  rewrite {
    path         = "/v2{path.2}/{path.id}"
    set_query    = { "from" = "{client.ip}" }
    remove_query = ["debug"]
  }
}
route "api" {
  path_prefix  = "/api"
  strip_prefix = "/api"
  service      = "orders"
  rewrite {
    prefix = "/v2"
  }
}
`)
			for path, want := range map[string]string{
				"/items/7/details?debug=1&%64ebug&a=%20b": "/v2/details/7?a=%20b&from=127.0.0.1",
				"/items/7":        "/v2/7?from=127.0.0.1",
				"/api/a?b=c":      "/v2/a?b=c",
				"/api":            "/v2/",
				"/api/x/../%61//": "/v2/a/",
			} {
				a := g.Get(path)
				if a.Status != http.StatusOK || a.Echo(t).RequestURI != want {
					t.Errorf("%s: %d %s, want %s", path, a.Status, a.Body, want)
				}
			}
			for _, path := range []string{"/api/..%2f..%2fetc", "/api/..;/x", "/api/%5c..", "/api/a%00"} {
				if a := g.Get(path); a.Status != http.StatusBadRequest {
					t.Errorf("%s: %d %s", path, a.Status, a.Body)
				}
			}
			harness.Within(t, harness.Patience, "the log shows what was asked for", func() error {
				lines, err := g.AccessLog()
				if err != nil {
					return err
				}
				for _, l := range lines {
					if l["path"] == "/items/7/details" && l["query"] == "debug=1&%64ebug&a=%20b" {
						return nil
					}
				}
				return fmt.Errorf("it shows %v", lines)
			})
		})
	}
}

// Fields are changed on the way there and on the way back, and never into two.
func TestFieldEdits(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"http1", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			_, g := newStatic(t, `engine = "`+engine+`"`, `
route "orders" {
  path_prefix = "/orders"
  service     = "orders"
  request_headers {
    set    = { "X-Client" = "{client.ip} by {method}", "X-Copy" = "{header.X-Given}" }
    add    = { "X-Seen" = "edge" }
    remove = ["X-Debug"]
  }
  response_headers {
    set    = { "X-Instance" = "hidden", "X-Path" = "{path}{query}" }
    remove = ["Date"]
  }
}
`)
			a := g.Get("/orders/1?a=b", "X-Client: 10.0.0.1", "X_client: 10.0.0.1", "X-Seen: by", "X-Debug: 1", "X-Given: a b")
			h := a.Echo(t).Header
			for name, want := range map[string]string{"X-Client": "127.0.0.1 by GET", "X-Copy": "a b", "X-Seen": "by+edge", "X-Debug": "", "X_client": ""} {
				if got := strings.Join(h.Values(name), "+"); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if a.Instance() != "hidden" || a.Header.Get("X-Path") != "/orders/1?a=b" || len(a.Header.Values("X-Path")) != 1 {
				t.Errorf("the client got %v", a.Header)
			}
			if h := g.Get("/orders", "X-Copy: mine").Echo(t).Header; len(h.Values("X-Copy")) > 0 {
				t.Errorf("without a value the client's own passes: %v", h)
			}
		})
	}
}
