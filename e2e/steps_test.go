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

// page does what a browser does for a page's fetch (Fetch Standard, sections 4.7 to
// 4.9): it asks before whatever is not simple, and reports whether the page gets to
// read the answer.
type page struct {
	g           *harness.Gateway
	origin      string
	credentials bool
}

func (p page) fetch(t *testing.T, method, path string, fields ...string) (harness.Answer, bool) {
	t.Helper()
	var names []string
	for _, f := range fields {
		name, _, _ := strings.Cut(f, ":")
		names = append(names, strings.ToLower(name))
	}
	if len(names) > 0 || method != "GET" && method != "HEAD" && method != "POST" {
		ask := []string{"Origin: " + p.origin, "Access-Control-Request-Method: " + method}
		if len(names) > 0 {
			ask = append(ask, "Access-Control-Request-Headers: "+strings.Join(names, ","))
		}
		a := p.g.Do("OPTIONS", path, nil, ask...)
		methods := "GET, HEAD, POST, " + a.Header.Get("Access-Control-Allow-Methods")
		ok := p.shared(a) && a.Status >= 200 && a.Status < 300 && listed(methods, method)
		for _, n := range names {
			ok = ok && listed(strings.ToLower(a.Header.Get("Access-Control-Allow-Headers")), n)
		}
		if !ok {
			return a, false
		}
	}
	a := p.g.Do(method, path, nil, append(fields, "Origin: "+p.origin)...)
	return a, p.shared(a)
}

// shared is the CORS check.
func (p page) shared(a harness.Answer) bool {
	allowed := a.Header.Values("Access-Control-Allow-Origin")
	if len(allowed) != 1 || allowed[0] != p.origin && (allowed[0] != "*" || p.credentials) {
		return false
	}
	return !p.credentials || a.Header.Get("Access-Control-Allow-Credentials") == "true"
}

func listed(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(w) == word {
			return true
		}
	}
	return false
}

// A page gets what its origin may have, and can read why it gets nothing.
func TestPagesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"http1", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			orders, g := newStatic(t, `engine = "`+engine+`"`, `
limit "fixed_window" "few" {
  limit  = 4
  window = "10000h" # an hour might end meanwhile
}
defaults {
  cors {
    allow_origins = ["*"]
  }
}
route "orders" {
  path_prefix = "/orders"
  methods     = ["GET", "PUT"]
  service     = "orders"
  cors {
    allow_origins     = ["https://app.example.com", "https://*.example.org"]
    allow_headers     = ["X-Id"]
    allow_credentials = true
  }
}
route "limited" {
  path_prefix = "/limited"
  service     = "orders"
  limits      = ["few"]
}
route "off" {
  path_prefix = "/off"
  service     = "orders"
  cors {
    enabled = false
  }
}
`)
			orders.Handle("/orders/own", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Access-Control-Allow-Origin", "https://evil.example")
				w.Header().Set("Vary", "Accept")
			})
			for _, c := range []struct {
				origin, method, path, field string
				status                      int
				reads                       bool
			}{
				{"https://app.example.com", "GET", "/orders/1", "", 200, true},
				{"https://app.example.com", "PUT", "/orders/1", "X-Id: 1", 200, true},
				{"https://a.example.org", "PUT", "/orders/1", "", 200, true},
				{"https://a.b.example.org", "GET", "/orders/1", "", 200, false},
				{"https://evil.example", "GET", "/orders/own", "", 200, false},
				{"https://evil.example", "PUT", "/orders/1", "", 204, false},
				{"https://app.example.com", "PUT", "/orders/1", "X-Other: 1", 204, false},
				{"https://app.example.com", "DELETE", "/orders/1", "", 405, false},
				{"null", "GET", "/orders/1", "", 200, false},
				{"https://app.example.com", "GET", "/limited", "", 200, false}, // with credentials, not for "*"
				{"https://app.example.com", "GET", "/off", "", 200, false},
			} {
				var fields []string
				if c.field != "" {
					fields = append(fields, c.field)
				}
				a, reads := page{g, c.origin, true}.fetch(t, c.method, c.path, fields...)
				if a.Status != c.status || reads != c.reads {
					t.Errorf("%+v: %d, reads it: %t (%v)", c, a.Status, reads, a.Header)
				}
				if strings.HasPrefix(c.path, "/orders") && c.status != 405 && !listed(strings.Join(a.Header.Values("Vary"), ","), "Origin") {
					t.Errorf("%+v: Vary is %q", c, a.Header.Values("Vary"))
				}
			}
			// Of the four one is used up; a preflight is counted as well.
			p := page{g: g, origin: "https://anybody.example"}
			if a, reads := p.fetch(t, "GET", "/limited", "X-Id: 1"); reads {
				t.Errorf("a field that is not allowed: %d", a.Status)
			}
			for i, want := range []int{200, 200, 429} {
				if a, reads := p.fetch(t, "GET", "/limited"); a.Status != want || !reads {
					t.Errorf("request %d: %d, reads it: %t", i, a.Status, reads)
				}
			}
		})
	}
}

// Whatever a route answers guards its users, and what the instance says stands.
func TestSecurityFields(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"http1", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			orders, g := newStatic(t, "trusted_proxies = [\"127.0.0.1\"]\nhsts = \"max-age=60\"\nengine = \""+engine+"\"", `
route "orders" {
  path_prefix = "/orders"
  service     = "orders"
  max_body    = "1B"
  security_headers {
    referrer_policy = "no-referrer"
    hsts            = "max-age=120"
  }
}
`)
			orders.Handle("/orders/own", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Frame-Options", "SAMEORIGIN")
				w.Header().Set("Strict-Transport-Security", "max-age=1")
			})
			for _, c := range []struct {
				path, proto, body, frames, policy, hsts string
				status                                  int
			}{
				{"/orders", "https", "", "DENY", "no-referrer", "max-age=120", 200},
				{"/orders", "http", "", "DENY", "no-referrer", "", 200},
				{"/orders", "https", "too long", "DENY", "no-referrer", "max-age=120", 413},
				{"/orders/own", "https", "", "SAMEORIGIN", "no-referrer", "max-age=1", 200},
				{"/nothing", "https", "", "", "", "max-age=60", 404},
				{"/nothing", "http", "", "", "", "", 404},
			} {
				a := g.Do("POST", c.path, strings.NewReader(c.body), "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: "+c.proto)
				h := a.Header
				if a.Status != c.status || h.Get("X-Frame-Options") != c.frames || h.Get("Referrer-Policy") != c.policy || h.Get("Strict-Transport-Security") != c.hsts {
					t.Errorf("%+v: %d %v", c, a.Status, h)
				}
			}
		})
	}
}
