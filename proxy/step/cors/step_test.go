package cors

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/trial"
)

func decode(t testing.TB, text string) (*Spec, hcl.Diagnostics) {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(text), "cors.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Decode(f.Body, f.Body.MissingItemRange())
}

// step reads a block.
func step(t testing.TB, text string, methods ...string) *Step {
	t.Helper()
	s, diags := decode(t, text)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return New(s, methods)
}

func gateway(t testing.TB, routes ...*proxy.Route) *trial.Gateway {
	t.Helper()
	g, err := trial.New(t.Context(), routes...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func route(name, method string, steps ...proxy.Step) *proxy.Route {
	r := &proxy.Route{Rule: router.Rule{Name: name, PathPrefix: "/a"}, Service: "orders", Steps: steps}
	if method != "" {
		r.Rule.Methods = strings.Fields(method)
	}
	return r
}

// fields are those of the protocol and Vary, as text.
func fields(h http.Header) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		short, cors := strings.CutPrefix(name, "Access-Control-")
		if cors || name == "Vary" {
			all = append(all, short+"="+strings.Join(h[name], "+"))
		}
	}
	return strings.Join(all, " ")
}

const app = `
allow_origins     = ["https://app.example.com", "https://*.example.org", "http://localhost:3000"]
allow_methods     = ["GET", "PUT"]
allow_headers     = ["Authorization", "X-Id"]
expose_headers    = ["RateLimit", "ETag"]
allow_credentials = true
max_age           = "10m"
`

func TestOrigins(t *testing.T) {
	for list, c := range map[string]struct{ yes, no []string }{
		`"https://app.example.com"`: {
			[]string{"https://app.example.com"},
			[]string{"http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil", "https://evilapp.example.com", "https://app.example.co", "null", "", "https://app.example.com/", "https://APP.example.com"},
		},
		`"HTTPS://App.Example.Com"`: {[]string{"https://app.example.com"}, nil},
		`"https://*.example.com"`: {
			[]string{"https://a.example.com", "https://a-b_1.example.com"},
			[]string{"https://example.com", "https://a.b.example.com", "https://.example.com", "http://a.example.com", "https://a.example.com:1", "https://evil.test/.example.com", "https://evil.test?.example.com", "https://u@.example.com", "https://aexample.com"},
		},
		`"https://*.example.com:8443"`:    {[]string{"https://a.example.com:8443"}, []string{"https://a.example.com", "https://a.example.com:84430"}},
		`"http://127.0.0.1:3000", "null"`: {[]string{"http://127.0.0.1:3000", "null"}, []string{"http://127.0.0.1", "Null"}},
		`"http://[::1]:3000"`:             {[]string{"http://[::1]:3000"}, []string{"http://[::1]"}},
		`"capacitor://localhost"`:         {[]string{"capacitor://localhost"}, nil},
		`"*"`:                             {[]string{"https://anybody", "null"}, nil},
	} {
		s := step(t, "allow_origins = ["+list+"]")
		for _, o := range c.yes {
			if !s.origins.allow([]byte(o)) {
				t.Errorf("%s does not allow %s", list, o)
			}
		}
		for _, o := range c.no {
			if s.origins.allow([]byte(o)) {
				t.Errorf("%s allows %q", list, o)
			}
		}
	}
}

func TestPreflights(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		fields []string
		status int
		want   string
	}{
		"allowed": {
			app,
			[]string{"Origin: https://app.example.com", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-id"},
			204,
			"Allow-Credentials=true Allow-Headers=Authorization, X-Id Allow-Methods=GET, PUT Allow-Origin=https://app.example.com Max-Age=600 Vary=Origin",
		},
		"another origin": {app, []string{"Origin: https://evil.example", "Access-Control-Request-Method: PUT"}, 204, "Vary=Origin"},
		"two origins":    {app, []string{"Origin: https://app.example.com", "Origin: https://app.example.com", "Access-Control-Request-Method: PUT"}, 204, "Vary=Origin"},
		"anybody": {
			`allow_origins = ["*"]` + "\n" + `allow_headers = ["*"]`,
			[]string{"Origin: null", "Access-Control-Request-Method: POST"},
			204,
			"Allow-Headers=* Allow-Methods=GET, HEAD, POST Allow-Origin=*",
		},
		"no preflight, for it asks nothing": {
			app,
			[]string{"Origin: https://app.example.com"},
			200,
			"Allow-Credentials=true Allow-Origin=https://app.example.com Expose-Headers=RateLimit, ETag Vary=Origin",
		},
		"no preflight, for it has no origin": {app, []string{"Access-Control-Request-Method: PUT"}, 200, "Vary=Origin"},
	} {
		t.Run(name, func(t *testing.T) {
			g := gateway(t, route("r", "", step(t, c.text)))
			a := g.Ask("OPTIONS", "h/a", c.fields...)
			if a.Status != c.status || fields(a.Header) != c.want || (a.Upstream != nil) != (c.status == 200) || a.Body != "" {
				t.Errorf("%d %q %q, want %d %q", a.Status, fields(a.Header), a.Body, c.status, c.want)
			}
		})
	}
}

// TestRouteOfAPreflight is that of the request which it announces.
func TestRouteOfAPreflight(t *testing.T) {
	one, two := step(t, `allow_origins = ["https://one.example"]`, "PUT"), step(t, `allow_origins = ["https://two.example"]`, "GET", "DELETE")
	g := gateway(t, route("put", "PUT", one), route("get", "GET DELETE", two), route("post", "POST"), route("other", "PATCH OPTIONS"))
	for method, want := range map[string]string{
		"PUT":    "204 Allow-Methods=PUT Allow-Origin=https://one.example Vary=Origin",
		"DELETE": "204 Vary=Origin",
		"POST":   "200 ", // its route leaves it to the instance: OPTIONS has a route
		"BREW":   "200 ",
	} {
		a := g.Ask("OPTIONS", "h/a", "Origin: https://one.example", "Access-Control-Request-Method: "+method)
		if got := http.StatusText(a.Status); got == "" || want != strings.Join([]string{map[int]string{200: "200", 204: "204", 405: "405"}[a.Status], fields(a.Header)}, " ") {
			t.Errorf("%s: %d %s, want %s", method, a.Status, fields(a.Header), want)
		}
	}
	g = gateway(t, route("put", "PUT", one))
	if a := g.Ask("OPTIONS", "h/a", "Origin: https://one.example", "Access-Control-Request-Method: DELETE"); a.Status != 405 {
		t.Errorf("a method that no route has: %d", a.Status)
	}
	if a := g.Ask("OPTIONS", "h/a"); a.Status != 405 {
		t.Errorf("no preflight: %d", a.Status)
	}
}

// refuse is a step that answers, as one does that asks for a token.
type refuse struct{}

func (refuse) Request(x *proxy.Exchange) bool {
	x.Request.Fields.Del(proxy.Origin)
	x.ResetResponse()
	x.Response.Fields.AddName("WWW-Authenticate", "Bearer")
	x.AnswerWith(proxy.TokenMissing, "", nil)
	return false
}

// TestAnswersOfTheGateway can be read by pages as well, from whatever step they come.
func TestAnswersOfTheGateway(t *testing.T) {
	const want = "Allow-Credentials=true Allow-Origin=https://app.example.com Expose-Headers=RateLimit, ETag Vary=Origin"
	s := step(t, app)
	for name, steps := range map[string][]proxy.Step{"behind": {s, refuse{}}, "before": {refuse{}, s}} {
		a := gateway(t, route("r", "", steps...)).Ask("GET", "h/a", "Origin: https://app.example.com")
		if a.Status != 401 || fields(a.Header) != want || a.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %v", name, a.Status, a.Header)
		}
		a = gateway(t, route("r", "", steps...)).Ask("GET", "h/a")
		if a.Status != 401 || fields(a.Header) != "Vary=Origin" {
			t.Errorf("%s, without an origin: %d %v", name, a.Status, a.Header)
		}
	}
	g := gateway(t, route("r", "", s, refuse{}))
	if a := g.Ask("OPTIONS", "h/a", "Origin: https://app.example.com", "Access-Control-Request-Method: GET"); a.Status != 204 {
		t.Errorf("a preflight is asked for a token: %d", a.Status)
	}
	r := route("r", "", s)
	r.MaxBody = 1
	g = gateway(t, r)
	if a := g.Ask("GET", "h/b", "Origin: https://app.example.com"); a.Status != 404 || fields(a.Header) != "" {
		t.Errorf("without a route: %d %v", a.Status, a.Header)
	}
}

// TestInstancesOwn: what the instance says is replaced, and its Vary kept.
func TestInstancesOwn(t *testing.T) {
	for name, c := range map[string]struct {
		text, origin, vary, want string
	}{
		"allowed": {app, "https://app.example.com", "", "Allow-Credentials=true Allow-Origin=https://app.example.com Expose-Headers=RateLimit, ETag Vary=Origin"},
		"another": {app, "https://evil.example", "Accept-Encoding", "Vary=Accept-Encoding+Origin"},
		"none":    {app, "", "accept, ORIGIN", "Vary=accept, ORIGIN"},
		"all":     {app, "", "*", "Vary=*"},
		"alike":   {app, "", "X-Origin", "Vary=X-Origin+Origin"},
		"anybody": {`allow_origins = ["*"]`, "https://evil.example", "", "Allow-Origin=*"},
		"nobody":  {`allow_origins = ["*"]`, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := gateway(t, route("r", "", step(t, c.text)))
			g.Instance = func(r *proxy.Response) {
				r.Fields.AddName("access-control-allow-origin", "https://evil.example")
				r.Fields.AddName("Access-Control-Allow-Credentials", "true")
				r.Fields.AddName("Access-Control-Allow-Private-Network", "true")
				if c.vary != "" {
					r.Fields.AddName("vary", c.vary)
				}
			}
			var f []string
			if c.origin != "" {
				f = append(f, "Origin: "+c.origin)
			}
			if a := g.Ask("GET", "h/a", f...); a.Status != 200 || fields(a.Header) != c.want {
				t.Errorf("%q, want %q", fields(a.Header), c.want)
			}
		})
	}
}

func TestDiagnostics(t *testing.T) {
	const origins = `allow_origins = ["https://a.example"]` + "\n"
	for text, want := range map[string]string{
		``:                                                             "allow_origins",
		`allow_origins = []`:                                           "allow_origins",
		`enabled = false`:                                              "",
		`allow_origins = ["app.example.com"]`:                          "a scheme, a host",
		`allow_origins = ["https://"]`:                                 "a scheme, a host",
		`allow_origins = ["https://a.b/"]`:                             "without a slash",
		`allow_origins = ["https://u@a.b"]`:                            "behind its host",
		`allow_origins = ["https://a.b:443"]`:                          "leave out the port",
		`allow_origins = ["http://a.b:80"]`:                            "leave out the port",
		`allow_origins = ["https://a.b:x"]`:                            "is no port",
		`allow_origins = ["https://a.*.b"]`:                            "one whole label",
		`allow_origins = ["https://*a.b"]`:                             "one whole label",
		`allow_origins = ["https://*"]`:                                "one whole label",
		`allow_origins = ["https://*.com"]`:                            "two labels",
		`allow_origins = ["https://ü.example"]`:                        "punycode",
		"allow_credentials = true\nallow_origins = [\"*\"]":            "name them",
		origins + "allow_credentials = true\nallow_headers = [\"*\"]":  "name them",
		origins + "allow_credentials = true\nallow_methods = [\"*\"]":  "name them",
		origins + "allow_credentials = true\nexpose_headers = [\"*\"]": "name them",
		origins + `allow_methods = ["TRACE"]`:                          "no page can",
		origins + `allow_methods = ["get"]`:                            "written GET",
		origins + `allow_methods = ["A B"]`:                            "no method",
		origins + `allow_headers = ["X A"]`:                            "name of a field",
		origins + `max_age = "48h"`:                                    "24h",
		origins + `max-age = "1h"`:                                     "max-age",
	} {
		_, diags := decode(t, text)
		if want == "" && len(diags) > 0 || want != "" && (len(diags) != 1 || !strings.Contains(diags.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, diags, want)
		}
	}
}

// TestNothingAllocated: the fields of an answer cost no garbage.
func TestNothingAllocated(t *testing.T) {
	s := step(t, app)
	var f proxy.Exchange
	if n := testing.AllocsPerRun(100, func() {
		f.Response.Fields.Reset(nil)
		f.Response.Fields.AddName("Vary", "Accept")
		s.Response(&f)
		if !s.origins.allow([]byte("https://a.example.org")) {
			t.Fatal("not allowed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"https://a.example.com", "https://*.a.b", "null", "http://[::1]:1", "https://*."} {
		f.Add(s, "https://a.a.b")
	}
	f.Fuzz(func(t *testing.T, allowed, asked string) {
		checked, wrong := origin(allowed)
		if wrong != "" {
			return
		}
		o := newOrigins([]string{checked})
		if o.allow([]byte(asked)) && strings.ContainsAny(asked, "\r\n\x00 /?#@\"<>") && strings.Count(asked, "/") != 2 {
			t.Errorf("%q allows %q", allowed, asked)
		}
		if !strings.Contains(checked, "*") && !o.allow([]byte(checked)) {
			t.Errorf("%q does not allow itself", allowed)
		}
	})
}
