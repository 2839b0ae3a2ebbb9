package rewrite

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

func decode(t testing.TB, text string, paths template.Paths) (*Spec, hcl.Diagnostics) {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(text), "rewrite.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Decode(f.Body, f.Body.MissingItemRange(), template.NewRoute(paths))
}

// gateway is one with a route of these paths that rewrites.
func gateway(t testing.TB, text string, paths template.Paths) *trial.Gateway {
	t.Helper()
	s, diags := decode(t, text, paths)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	g, err := trial.New(t.Context(), &proxy.Route{
		Rule:    router.Rule{Name: "r", PathPrefix: paths.Prefix, PathPattern: paths.Pattern, PathRegex: paths.Regex},
		Service: "orders", StripPrefix: paths.StripPrefix, Steps: []proxy.Step{New(s)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// bearer is somebody with one claim.
type bearer string

func (bearer) Provider() string                { return "main" }
func (b bearer) Claim([]string) (string, bool) { return string(b), b != "" }

func TestPaths(t *testing.T) {
	for name, c := range map[string]struct {
		paths     template.Paths
		text      string
		claim     string
		ask, want string // want is empty for 400
	}{
		"a prefix":             {template.Paths{}, `prefix = "/v2"`, "", "/a/b", "/v2/a/b"},
		"a prefix on the root": {template.Paths{}, `prefix = "/v2/"`, "", "/", "/v2/"},
		"strip and prefix":     {template.Paths{Prefix: "/shop", StripPrefix: "/shop"}, `prefix = "/v2"`, "", "/shop/a", "/v2/a"},
		"strip all and prefix": {template.Paths{Prefix: "/shop", StripPrefix: "/shop"}, `prefix = "/v2"`, "", "/shop", "/v2/"},
		"the prefix again":     {template.Paths{Prefix: "/a", StripPrefix: "/a"}, `prefix = "/a"`, "", "/a/b", "/a/b"},
		"a slash":              {template.Paths{}, `prefix = "/"`, "", "/a", "/a"},
		"a constant":           {template.Paths{}, `path = "/status"`, "", "/a?b", "/status"},
		"the whole path":       {template.Paths{Prefix: "/a", StripPrefix: "/a"}, `path = "/old{path}"`, "", "/a/b", "/old/a/b"},
		"the rest":             {template.Paths{Prefix: "/a"}, `path = "{rest}"`, "", "/a/b/", "/b/"},
		"nothing is left":      {template.Paths{Prefix: "/a"}, `path = "{rest}"`, "", "/a", "/"},
		"a variable":           {template.Paths{Pattern: "/u/{id}/{what}"}, `path = "/{path.what}/of/{path.id}"`, "", "/u/7/x%2Fy", "/x%2Fy/of/7"},
		"groups":               {template.Paths{Regex: "/v[0-9]+/(?P<name>.*)"}, `path = "/{path.name}"`, "", "/v2/a/b", "/a/b"},
		"a claim":              {template.Paths{}, `prefix = "/t/{jwt.tenant}"`, "acme", "/a", "/t/acme/a"},
		"a claim with slashes": {template.Paths{}, `prefix = "/t/{jwt.tenant}"`, "a/b?c#\r\n é", "/a", "/t/a%2Fb%3Fc%23%0D%0A%20%C3%A9/a"},
		"a claim of dots":      {template.Paths{}, `prefix = "/t/{jwt.tenant}"`, "..", "/a", ""},
		"a claim of one dot":   {template.Paths{}, `prefix = "/t/{jwt.tenant}"`, ".", "/a", ""},
		"hidden dots":          {template.Paths{}, `prefix = "/t/{jwt.tenant}"`, "../x", "/a", ""},
		"a parameter of dots":  {template.Paths{}, `prefix = "/t/{jwt.tenant}"`, "..;x", "/a", ""},
		"a claim with NUL":     {template.Paths{}, `prefix = "/t/{jwt.tenant}"`, "a\x00", "/a", ""},
		"a backslash":          {template.Paths{}, `prefix = "/t/{jwt.tenant}"`, `a\b`, "/a", ""},
		"no claim":             {template.Paths{}, `prefix = "/t/{jwt.tenant}"`, "", "/a", ""},
		"dots put together":    {template.Paths{Regex: `/(\.*x)/y(.*)`}, `path = "/a/.{path.2}/b"`, "", "/x/y.", ""},
		"an escape put together": {
			template.Paths{Regex: "/(.*)%2F(.*)"}, `path = "/a/{path.1}%%{path.2}"`, "", "/x%2F2e", "refused at load",
		},
		"merged": {template.Paths{Regex: "/a(/.*)?"}, `path = "/b/{path.1}"`, "", "/a/x", "/b/x"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want == "refused at load" {
				if _, diags := decode(t, c.text, c.paths); !diags.HasErrors() {
					t.Error("it was not")
				}
				return
			}
			g := gateway(t, c.text, c.paths)
			if c.claim != "" {
				g.Identity = bearer(c.claim)
			}
			a := g.Ask("GET", "h"+c.ask)
			switch {
			case c.want == "" && (a.Status != 400 || a.Upstream != nil):
				t.Errorf("%d, %+v", a.Status, a.Upstream)
			case c.want != "" && (a.Upstream == nil || a.Upstream.Path != c.want):
				t.Errorf("%d, %+v, want %s", a.Status, a.Upstream, c.want)
			}
		})
	}
}

func TestQueries(t *testing.T) {
	const all = `
set_query    = { "src" = "{client.ip}", "a b" = "x&y={method}" }
add_query    = { "tag" = "new" }
remove_query = ["debug"]
`
	for name, c := range map[string]struct{ text, ask, want string }{
		"nothing there":   {all, "/", "?src=192.0.2.7&a%20b=x%26y%3DGET&tag=new"},
		"what there is":   {all, "/?src=1&x=%7e&src=2&tag=old&debug&debug=1&a+b=2", "?x=%7e&tag=old&src=192.0.2.7&a%20b=x%26y%3DGET&tag=new"},
		"in disguise":     {all, "/?%64ebug=1&%73%72c=1&a%20b=1", "?src=192.0.2.7&a%20b=x%26y%3DGET&tag=new"},
		"all gone":        {`remove_query = ["debug"]`, "/?debug=1", ""},
		"none to remove":  {`remove_query = ["debug"]`, "/?&&Debug=1&%zz", "?&&Debug=1&%zz"},
		"an empty one":    {`remove_query = ["debug"]`, "/?", "?"},
		"no query at all": {`remove_query = ["debug"]`, "/", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := gateway(t, c.text, template.Paths{}).Ask("GET", "h"+c.ask)
			got := a.Upstream.Query
			if a.Upstream.HasQuery {
				got = "?" + got
			}
			if got != c.want || a.Upstream.Path != "/" {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestNothingIsLeft: an exchange that is used again remembers nothing.
func TestNothingIsLeft(t *testing.T) {
	g := gateway(t, "path = \"/x{path}\"\nadd_query = { \"a\" = \"1\" }", template.Paths{})
	for _, path := range []string{"/one", "/two%41", "/one"} {
		a := g.Ask("GET", "h"+path)
		if want := "/x" + strings.Replace(path, "%41", "A", 1); a.Upstream.Path != want || a.Upstream.Query != "a=1" {
			t.Errorf("%+v", a.Upstream)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "Nothing is to be changed",
		`path = ""`:                           "must not be empty",
		`path = "a"`:                          "does not begin with",
		`path = "{jwt.sub}"`:                  "does not begin with",
		`path = "/a?b"`:                       "ends before the query",
		`path = "/a{query}"`:                  "ends before the query",
		`path = "/a/../b"`:                    "dot segment",
		`path = "/a/%2E%2e/b"`:                "dot segment",
		`path = "/a b"`:                       "must be escaped",
		`path = "/a\r\nb"`:                    "must be escaped",
		`path = "/a%2{jwt.x}"`:                "malformed escape",
		`path = "/{path.id}"`:                 "No part of the route's path",
		"path = \"/a\"\nprefix = \"/b\"":      "gets no prefix",
		`prefix = "v2"`:                       "does not begin with",
		`set_query = { "a" = "{nothing}" }`:   "There is no variable",
		`set_query = { "a" = "{query}" }`:     "of itself",
		`set_query = ["a"]`:                   "An object of strings",
		`add_query = { "a" = "1", "a" = "" }`: "in this object already",
		"set_query = { \"a\" = \"1\" }\nremove_query = [\"a\"]": "is set as well",
		`regex = "/a"`: `"regex"`,
	} {
		if _, diags := decode(t, text, template.Paths{}); len(diags) != 1 || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v, want %q", text, diags, want)
		}
	}
}

func TestRedacted(t *testing.T) {
	s, _ := decode(t, "path = \"/a\"\nset_query = { \"key\" = \"hunter2\", \"ip\" = \"{client.ip}\" }", template.Paths{})
	v := s.Redacted()
	q := v["set_query"].(map[string]any)
	if v["path"] != "/a" || q["key"] != "(redacted)" || q["ip"] != "{client.ip}" {
		t.Errorf("%v", v)
	}
}

// FuzzRewrite: whatever path comes in and whatever claim, what goes on is a normal
// path that begins where the policy says.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"/a", "/%2e%2e/x", "/a//b", "/..;/x", "/%2F..%2F"} {
		f.Add(s, "acme")
		f.Add("/a", s)
	}
	f.Fuzz(func(t *testing.T, path, claim string) {
		g := gateway(t, `prefix = "/t/{jwt.tenant}"`, template.Paths{})
		g.Identity = bearer(claim)
		path, _, _ = strings.Cut(path, "?")
		a := g.Ask("GET", "h/"+path)
		if a.Upstream == nil {
			return
		}
		got := a.Upstream.Path
		again, err := router.Normalize(nil, []byte(got), g.Listener.Path)
		if err != nil || string(again) != got || router.HasDots([]byte(got)) || !strings.HasPrefix(got, "/t/") {
			t.Errorf("%q with %q became %q (%v)", path, claim, got, err)
		}
	})
}

func BenchmarkRewrite(b *testing.B) {
	g := gateway(b, "path = \"/v2{rest}\"\nset_query = { \"src\" = \"edge\" }", template.Paths{Prefix: "/a"})
	b.ReportAllocs()
	for b.Loop() {
		g.Serve("GET", "h/a/b?x=1")
	}
}

// TestNothingAllocated: a rewritten path costs no garbage.
func TestNothingAllocated(t *testing.T) {
	spec, diags := decode(t, `prefix = "/v2/{method}"`, template.Paths{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s := New(spec)
	x := proxy.Exchange{Route: &proxy.Route{}, Conn: proxy.NewConn(&proxy.Listener{}, trial.Peer("192.0.2.7"), false)}
	x.Request.Method = []byte("GET")
	path := []byte("/a/b")
	if n := testing.AllocsPerRun(100, func() {
		x.Request.Path = path
		if !s.Request(&x) || string(x.Request.Path) != "/v2/GET/a/b" {
			t.Fatalf("%s", x.Request.Path)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
