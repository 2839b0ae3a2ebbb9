package redirect

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/template"
	"github.com/lictor/lictor/proxy/trial"
)

// decode reads a block's text.
func decode(t testing.TB, text string, hosts []string, paths template.Paths) (*Spec, hcl.Diagnostics) {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(text), "redirect.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Decode(f.Body, f.Body.MissingItemRange(), hosts, template.NewRoute(paths))
}

// route is a route with a redirect.
func route(t testing.TB, rule router.Rule, service, text string) *proxy.Route {
	t.Helper()
	s, diags := decode(t, text, rule.Hosts, template.Paths{Prefix: rule.PathPrefix, Pattern: rule.PathPattern, Regex: rule.PathRegex})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return &proxy.Route{Rule: rule, Service: service, Steps: []proxy.Step{New(s, service != "")}}
}

func gateway(t testing.TB, routes ...*proxy.Route) *trial.Gateway {
	t.Helper()
	g, err := trial.New(t.Context(), routes...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// bearer is somebody with these claims.
type bearer map[string]string

func (b bearer) Provider() string { return "main" }
func (b bearer) Claim(path []string) (string, bool) {
	v, ok := b[strings.Join(path, ".")]
	return v, ok
}

func TestTargets(t *testing.T) {
	for name, c := range map[string]struct {
		rule         router.Rule
		to           string
		ask, fields  string
		status       int
		want, answer string // Location, or the problem
	}{
		"host, path and query": {
			rule: router.Rule{Hosts: []string{"*.example.com"}}, to: "https://{host}{path}{query}",
			ask: "WWW.Example.com:8080/a//b/../c?x=1&y=%20", want: "https://www.example.com/a/c?x=1&y=%20",
		},
		"no query":              {to: "https://new.example{path}{query}", ask: "h/a", want: "https://new.example/a"},
		"an empty query":        {to: "https://new.example{path}{query}", ask: "h/a?", want: "https://new.example/a?"},
		"the rest":              {rule: router.Rule{PathPrefix: "/old"}, to: "https://new.example/shop{rest}{query}", ask: "h/old/1?a", want: "https://new.example/shop/1?a"},
		"nothing is left":       {rule: router.Rule{PathPrefix: "/old"}, to: "https://new.example{rest}", ask: "h/old", want: "https://new.example"},
		"variables of the path": {rule: router.Rule{PathPattern: "/u/{name}/{id}"}, to: "/users/{path.id}?of={path.name}", ask: "h/u/ada/7", want: "/users/7?of=ada"},
		"groups":                {rule: router.Rule{PathRegex: "/v(?P<major>[0-9]+)/(.*)"}, to: "/api/{path.2}?v={path.major}", ask: "h/v2/a/b", want: "/api/a/b?v=2"},
		"a group that is not":   {rule: router.Rule{PathRegex: "/a(/b)?"}, to: "/x{path.1}", ask: "h/a", want: "/x"},
		"www":                   {rule: router.Rule{Hosts: []string{"example.com"}}, to: "{scheme}://www.{host}{path}", ask: "example.com/a", want: "http://www.example.com/a"},
		"another port":          {rule: router.Rule{Hosts: []string{"example.com"}}, to: "https://{host}:8443{path}", ask: "example.com:80/a", want: "https://example.com:8443/a"},
		"two slashes": {
			rule: router.Rule{PathPrefix: "/x"}, to: "{path}/", ask: "h/x//evil.example", want: "/x/evil.example/",
		},
		"braces":             {to: "/a{{b}}", ask: "h/x", want: "/a{b}"},
		"a claim":            {to: "/home/{jwt.sub}/", ask: "h/x", want: "/home/a%2F..%3Fb%0D%0A%23%C3%A9/"},
		"a claim that isn't": {to: "/home/{jwt.none}x", ask: "h/x", want: "/home/x"},
		"a field":            {to: "/f?{header.X-A}", ask: "h/x", fields: "X-A: 1&b=2 3", want: "/f?1%26b%3D2%203"},
		"names":              {to: "/n?{route}/{service}/{method}/{client.ip}/{client.cert}", ask: "h/x", want: "/n?r//GET/192.0.2.7/"},
		"a query to escape":  {to: "/q{query}", ask: "h/x?a=\"<é>", want: "/q?a=%22%3C%C3%A9%3E"},
		"no host":            {rule: router.Rule{Hosts: []string{"example.com"}}, to: "https://{host}/", ask: "/x", status: 404, answer: "no-route"},
		"to itself":          {rule: router.Rule{Hosts: []string{"example.com"}}, to: "http://{host}{path}{query}", ask: "example.com:80/a?b", status: 404, answer: "leads to itself"},
		"to its own path":    {to: "{path}{query}", ask: "h/a?b", status: 404, answer: "leads to itself"},
		"almost itself":      {to: "{path}", ask: "h/a?b", want: "/a"},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Name = "r"
			g := gateway(t, route(t, c.rule, "", `to = "`+c.to+`"`))
			g.Identity = bearer{"sub": "a/..?b\r\n#é"}
			var fields []string
			if c.fields != "" {
				fields = append(fields, c.fields)
			}
			a := g.Ask("GET", c.ask, fields...)
			if c.status == 0 {
				c.status = 308
			}
			if a.Status != c.status || a.Header.Get("Location") != c.want || !strings.Contains(a.Body, c.answer) || a.Upstream != nil {
				t.Errorf("%d, Location %q, body %q; want %d, %q, %q", a.Status, a.Header.Get("Location"), a.Body, c.status, c.want, c.answer)
			}
			if c.status == 308 && (a.Header.Get("Proxy-Status") != "" || a.Body != "" || a.Header.Get("X-Request-Id") == "") {
				t.Errorf("not an answer of its own: %v %q", a.Header, a.Body)
			}
		})
	}
}

// TestNoHostOfTheRequests: whatever the path is spelt like, a redirect to a path
// stays with the host, even where slashes are data.
func TestNoHostOfTheRequests(t *testing.T) {
	g := gateway(t, route(t, router.Rule{Name: "r"}, "", `to = "{path}/"`))
	g.Listener.Path = router.PathOptions{}
	for _, path := range []string{"/evil.example", "//evil.example", "///evil.example", "/%5Cevil.example", "/%2Fevil.example", `/\evil.example`} {
		a := g.Ask("GET", "h"+path)
		to := a.Header.Get("Location")
		if a.Status != 400 && (a.Status != 308 || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) || !strings.HasPrefix(to, "/")) {
			t.Errorf("%s: %d to %q", path, a.Status, to)
		}
	}
}

func TestStatusesAndMethods(t *testing.T) {
	for _, status := range []string{"301", "302", "303", "307", "308"} {
		g := gateway(t, route(t, router.Rule{Name: "r"}, "", "to = \"https://new.example{path}\"\nstatus = "+status))
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS", "BREW"} {
			if a := g.Ask(method, "h/a"); a.Header.Get("Location") != "https://new.example/a" || a.Body != "" {
				t.Errorf("%s %s: %+v", status, method, a)
			}
		}
	}
}

// TestServiceBehind: on a route with a service only those are sent away who are not
// where the redirect leads.
func TestServiceBehind(t *testing.T) {
	g := gateway(t, route(t, router.Rule{Name: "r", Hosts: []string{"example.com", "www.example.com"}}, "orders", `to = "https://example.com{path}{query}"`))
	g.TLS = true
	if a := g.Ask("GET", "www.example.com/a?b=1"); a.Status != 308 || a.Header.Get("Location") != "https://example.com/a?b=1" {
		t.Errorf("another name: %+v", a)
	}
	for _, host := range []string{"example.com", "Example.com:443"} {
		if a := g.Ask("GET", host+"/a?b=1"); a.Status != 200 || a.Upstream == nil {
			t.Errorf("the name itself: %+v", a)
		}
	}
	g.TLS = false
	if a := g.Ask("GET", "example.com/a?b=1"); a.Status != 308 {
		t.Errorf("in clear: %+v", a)
	}
}

func TestDiagnostics(t *testing.T) {
	named := []string{"example.com"}
	for text, c := range map[string]struct {
		hosts []string
		want  string
	}{
		`status = 308`:                               {nil, `The argument "to" is required`},
		`to = ""`:                                    {nil, "must not be empty"},
		`to = "/a"` + "\nstatus = 304":               {nil, "304 is not one of 301"},
		`to = "/a"` + "\nstatus = 200":               {nil, "from 300 to 399"},
		`to = "/a"` + "\nport = 1":                   {nil, `"port"`},
		`to = "new.example"`:                         {nil, "A redirect leads to an address"},
		`to = "//new.example"`:                       {nil, "A redirect leads to an address"},
		`to = "ftp://new.example"`:                   {nil, "A redirect leads to an address"},
		`to = "javascript:alert(1)"`:                 {nil, "A redirect leads to an address"},
		`to = "{query}"`:                             {nil, "A redirect leads to an address"},
		`to = "https://"`:                            {nil, "A redirect leads to an address"},
		`to = "https://{host}{path}"`:                {nil, "name the route's hosts"},
		`to = "https://{host}/"`:                     {[]string{"*"}, "name the route's hosts"},
		`to = "https://{header.Host}/"`:              {named, "only {host} may be the host"},
		`to = "https://{host}.evil.example/"`:        {named, "only {host} may be the host"},
		`to = "https://example.com{jwt.sub}/"`:       {named, "only {host} may be the host"},
		`to = "https://example.com:{jwt.port}/"`:     {named, "is no port"},
		`to = "https://user@example.com/"`:           {named, "a user's name"},
		`to = "https://example.com/a b"`:             {named, "must be escaped"},
		`to = "https://example.com\\@evil.example/"`: {named, "backslash"},
		`to = "/a\r\nSet-Cookie: a=b"`:               {named, "must be escaped"},
		`to = "/{quer}"`:                             {named, `Did you mean "query"?`},
		`to = "/{path.id}"`:                          {named, "No part of the route's path is called {path.id}"},
		`to = "/{path"`:                              {named, "that nothing closes"},
		`to = "/path}"`:                              {named, "closes nothing"},
	} {
		_, diags := decode(t, text, c.hosts, template.Paths{})
		if len(diags) != 1 || !strings.Contains(diags.Error(), c.want) {
			t.Errorf("%s: %v, want %q", text, diags, c.want)
		}
	}
	if _, diags := decode(t, `to = "/{path.ix}"`, nil, template.Paths{Pattern: "/{id}"}); len(diags) != 1 || !strings.Contains(diags.Error(), "{path.id}") {
		t.Errorf("%v", diags)
	}
}

func TestRedacted(t *testing.T) {
	s, _ := decode(t, `to = "https://example.com{path}?token=hunter2"`, nil, template.Paths{})
	if v := s.Redacted(); v["to"] != "https://example.com{path}?(redacted)" || v["status"] != 308 {
		t.Errorf("%v", v)
	}
}

// TestNothingAllocated: a redirect costs no garbage.
func TestNothingAllocated(t *testing.T) {
	s, _ := decode(t, `to = "https://{host}/v2{rest}{query}"`, []string{"example.com"}, template.Paths{Prefix: "/a"})
	var x proxy.Exchange
	x.Conn = proxy.NewConn(&proxy.Listener{}, trial.Peer("192.0.2.7"), false)
	x.Request.Host, x.Request.Query, x.Request.HasQuery = []byte("example.com"), []byte("a=1"), true
	if n := testing.AllocsPerRun(100, func() {
		if b, ok := s.To.AppendURL(x.Space(), &x); !ok || len(b) == 0 {
			t.Fatal("no text")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
