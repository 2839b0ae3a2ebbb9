package headers

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/template"
	"github.com/lictor/lictor/proxy/trial"
)

type decoder func(hcl.Body, hcl.Range, *template.Route) (*Spec, hcl.Diagnostics)

func read(t testing.TB, d decoder, text string) (*Spec, hcl.Diagnostics) {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(text), "headers.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return d(f.Body, f.Body.MissingItemRange(), template.NewRoute(template.Paths{Prefix: "/a"}))
}

func gateway(t testing.TB, steps ...proxy.Step) *trial.Gateway {
	t.Helper()
	g, err := trial.New(t.Context(), &proxy.Route{Rule: router.Rule{Name: "r", PathPrefix: "/a"}, Service: "orders", Steps: steps})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func spec(t testing.TB, d decoder, text string) *Spec {
	t.Helper()
	s, diags := read(t, d, text)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

type bearer string

func (bearer) Provider() string                { return "main" }
func (b bearer) Claim([]string) (string, bool) { return string(b), b != "" }

// wants compares the fields of a name, in order.
func wants(t *testing.T, h http.Header, name string, values ...string) {
	t.Helper()
	if got := h.Values(name); !slices.Equal(got, values) {
		t.Errorf("%s: %q, want %q", name, got, values)
	}
}

func TestRequest(t *testing.T) {
	g := gateway(t, NewRequest(spec(t, DecodeRequest, `
set = {
  "X-User"   = "{jwt.sub}", "X-Where" = "{client.ip} {scheme}://{host}{path}{query} {route} {service} {method}", "X-Edge" = "1"
  "Accept"   = "text/plain", "X-Old" = "{header.X-New}", "X-New" = "{header.X-Old}", "X-Id" = "{request_id}"
}
add    = { "X-Edge" = "2", "Via-Edge" = "{rest}", "Cookie" = "edge=1" }
remove = ["X-Debug", "User-Agent"]
`)))
	g.Identity = bearer("ada")
	a := g.Ask("GET", "h/a/b?c=d", "X-User: root", "x_user: root", "X-Debug: 1", "x-debug: 2", "User-Agent: x", "X-Edge: 0", "X-Old: o", "X-New: n", "Cookie: a=b", "Accept: */*", "X-Other: stays")
	h := a.Upstream.Header
	wants(t, h, "X-User", "ada")
	wants(t, h, "X_User")
	wants(t, h, "X-Debug")
	wants(t, h, "User-Agent")
	wants(t, h, "Accept", "text/plain")
	wants(t, h, "X-Edge", "1", "2")
	wants(t, h, "X-Old", "n")
	wants(t, h, "X-New", "o")
	wants(t, h, "Cookie", "a=b", "edge=1")
	wants(t, h, "X-Other", "stays")
	wants(t, h, "Via-Edge", "/b")
	wants(t, h, "X-Where", "192.0.2.7 http://h/a/b?c=d r orders GET")
	wants(t, h, "X-Id", a.Header.Get("X-Request-Id"))

	for _, claim := range []string{"", "a\r\nEvil: 1", "a\x00", "\n", strings.Repeat("a", template.MaxField+1)} {
		g.Identity = bearer(claim)
		h := g.Ask("GET", "h/a", "X-User: root").Upstream.Header
		wants(t, h, "X-User")
		wants(t, h, "Evil")
		wants(t, h, "X-Edge", "1", "2")
	}
}

func TestResponse(t *testing.T) {
	g := gateway(t, NewResponse(spec(t, DecodeResponse, `
set    = { "Cache-Control" = "no-store", "X-User" = "{jwt.sub}" }
add    = { "Set-Cookie" = "b=2", "X-Path" = "{path}" }
remove = ["server", "X-Powered-By"]
`)))
	g.Identity = bearer("ada\n")
	g.Instance = func(r *proxy.Response) {
		for _, f := range []string{"Cache-Control: public", "Cache-Control: max-age=1", "Server: s", "X-Powered-By: p", "Set-Cookie: a=1", "X-User: root", "ETag: e"} {
			name, value, _ := strings.Cut(f, ": ")
			r.Fields.AddName(name, value)
		}
	}
	h := g.Ask("GET", "h/a/b").Header
	wants(t, h, "Cache-Control", "no-store")
	wants(t, h, "Server")
	wants(t, h, "X-Powered-By")
	wants(t, h, "Set-Cookie", "a=1", "b=2")
	wants(t, h, "X-User")
	wants(t, h, "ETag", "e")
	wants(t, h, "X-Path", "/a/b")
}

func TestDiagnostics(t *testing.T) {
	for text, want := range map[string]string{
		``:                                              "Nothing is to be changed",
		`set = ["a"]`:                                   "An object of strings",
		`set = { "X A" = "1" }`:                         "can't be the name",
		`set = { "Host" = "a" }`:                        "gateway's own",
		`set = { "content_length" = "1" }`:              "gateway's own",
		`add = { "X-Forwarded-For" = "1" }`:             "gateway's own",
		`add = { "Forwarded" = "1" }`:                   "gateway's own",
		`add = { "Via" = "1" }`:                         "gateway's own",
		`add = { "traceparent" = "1" }`:                 "gateway's own",
		`remove = ["Connection"]`:                       "gateway's own",
		`remove = ["X_Request_Id"]`:                     "gateway's own",
		`set = { "X-A" = "" }`:                          "can't be the value",
		`set = { "X-A" = "a\r\nb" }`:                    "can't be the value",
		`set = { "X-A" = "a " }`:                        "can't be the value",
		`set = { "X-A" = "{nothing}" }`:                 "There is no variable",
		`set = { "X-A" = "1", "x_a" = "2" }`:            "set already",
		"set = { \"X-A\" = \"1\" }\nremove = [\"x-a\"]": "set as well",
		`replace = { "X-A" = "1" }`:                     `"replace"`,
	} {
		if _, diags := read(t, DecodeRequest, text); len(diags) != 1 || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v, want %q", text, diags, want)
		}
	}
	for _, name := range []string{"X-Request-Id", "RateLimit", "Proxy-Status", "Transfer-Encoding", "Content-Length"} {
		if _, diags := read(t, DecodeResponse, `remove = ["`+name+`"]`); len(diags) != 1 {
			t.Errorf("%s: %v", name, diags)
		}
	}
	for _, name := range []string{"Server", "Date", "Via", "Location", "Content-Type", "Host2"} {
		if _, diags := read(t, DecodeResponse, `remove = ["`+name+`"]`); len(diags) != 0 {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

func TestRedacted(t *testing.T) {
	s := spec(t, DecodeRequest, `set = { "Authorization" = "Bearer hunter2", "X-Edge" = "1" }`)
	set := s.Redacted()["set"].(map[string]any)
	if set["Authorization"] != "(redacted)" || set["X-Edge"] != "1" {
		t.Errorf("%v", set)
	}
}

// TestNothingAllocated: neither constants nor variables cost garbage.
func TestNothingAllocated(t *testing.T) {
	s := NewRequest(spec(t, DecodeRequest, `
set    = { "X-Edge" = "1", "X-Client" = "{client.ip} {method}" }
remove = ["X-Debug"]
`))
	x := proxy.Exchange{Conn: proxy.NewConn(&proxy.Listener{}, trial.Peer("192.0.2.7"), false)}
	x.Client = x.Conn.Peer.Addr()
	x.Request.Method = []byte("GET")
	if n := testing.AllocsPerRun(100, func() {
		x.Request.Fields.Reset(nil)
		x.Request.Fields.AddName("X-Debug", "1")
		s.Request(&x)
		if v, ok := x.Request.Fields.Lookup("x-client"); !ok || string(v) != "192.0.2.7 GET" {
			t.Fatalf("%q", v)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
