package securityheaders

import (
	"net/http"
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
	f, diags := hclsyntax.ParseConfig([]byte(text), "security.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Decode(f.Body)
}

func gateway(t testing.TB, text string, more ...proxy.Step) *trial.Gateway {
	t.Helper()
	s, diags := decode(t, text)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	g, err := trial.New(t.Context(), &proxy.Route{
		Rule: router.Rule{Name: "r", PathPrefix: "/a"}, Service: "orders", Steps: append([]proxy.Step{New(s)}, more...),
	})
	if err != nil {
		t.Fatal(err)
	}
	g.TLS = true
	return g
}

// shown are the step's fields of an answer, as text.
func shown(h http.Header) string {
	var all []string
	for _, n := range names {
		for _, v := range h.Values(n.field) {
			all = append(all, n.argument+"="+v)
		}
	}
	return strings.Join(all, " | ")
}

const usual = "content_type_options=nosniff | referrer_policy=strict-origin-when-cross-origin | frame_options=DENY | content_security_policy=frame-ancestors 'none'"

func TestFields(t *testing.T) {
	own := []string{"Referrer-Policy: no-referrer", "content-security-policy: default-src 'self'", "Content-Security-Policy: img-src *", "Strict-Transport-Security: max-age=1"}
	for name, c := range map[string]struct {
		text string
		tls  bool
		own  []string
		want string
	}{
		"the defaults":          {``, true, nil, usual + " | hsts=max-age=31536000"},
		"the defaults in clear": {``, false, nil, usual},
		"what is said":          {``, true, own, "content_type_options=nosniff | referrer_policy=no-referrer | frame_options=DENY | content_security_policy=default-src 'self' | content_security_policy=img-src * | hsts=max-age=1"},
		"overridden":            {`override = true`, true, own, usual + " | hsts=max-age=31536000"},
		"overridden in clear":   {`override = true`, false, own, usual},
		"same origin":           {`frame_options = "SAMEORIGIN"` + "\n" + `hsts = "off"`, true, nil, "content_type_options=nosniff | referrer_policy=strict-origin-when-cross-origin | frame_options=SAMEORIGIN | content_security_policy=frame-ancestors 'self'"},
		"all off": {`
content_type_options = "off"
referrer_policy      = "off"
frame_options        = "off"
hsts                 = "off"
`, true, own[:1], "referrer_policy=no-referrer"},
		"all there are": {`
referrer_policy              = "same-origin"
content_security_policy      = "default-src 'self'; frame-ancestors 'none'"
permissions_policy           = "camera=()"
cross_origin_opener_policy   = "same-origin"
cross_origin_resource_policy = "same-site"
hsts                         = "max-age=60; includeSubDomains"
`, true, nil, "content_type_options=nosniff | referrer_policy=same-origin | frame_options=DENY | content_security_policy=default-src 'self'; frame-ancestors 'none' | permissions_policy=camera=() | cross_origin_opener_policy=same-origin | cross_origin_resource_policy=same-site | hsts=max-age=60; includeSubDomains"},
	} {
		t.Run(name, func(t *testing.T) {
			g := gateway(t, c.text)
			g.TLS = c.tls
			g.Instance = func(r *proxy.Response) {
				for _, f := range c.own {
					n, v, _ := strings.Cut(f, ": ")
					r.Fields.AddName(n, v)
				}
			}
			if got := shown(g.Ask("GET", "h/a").Header); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// refuse is a step that answers.
type refuse struct{}

func (refuse) Request(x *proxy.Exchange) bool {
	x.Answer(proxy.TokenMissing, "", nil)
	return false
}

// TestAnswersOfTheGateway have the fields, and the listener's where the route has
// none.
func TestAnswersOfTheGateway(t *testing.T) {
	g := gateway(t, ``, refuse{})
	if a := g.Ask("GET", "h/a"); a.Status != 401 || shown(a.Header) != usual+" | hsts=max-age=31536000" {
		t.Errorf("%d %s", a.Status, shown(a.Header))
	}
	for text, want := range map[string]string{`hsts = "max-age=1"`: "hsts=max-age=1", `hsts = "off"`: "hsts=max-age=2"} {
		g := gateway(t, text)
		g.Listener.HSTS = "max-age=2"
		if got := shown(g.Ask("GET", "h/a").Header); got != usual+" | "+want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	for text, want := range map[string]string{
		`frame_options = "deny"`:                         `Did you mean "DENY"?`,
		`frame_options = "ALLOW-FROM https://a.example"`: "not one of",
		`referrer_policy = "never"`:                      "not one of",
		`content_type_options = "sniff"`:                 "not one of",
		`hsts = "1y"`:                                    "is none of",
		`hsts = ""`:                                      "can't be the value",
		`content_security_policy = "a\r\nSet-Cookie: b"`: "can't be the value",
		`permissions_policy = " "`:                       "can't be the value",
		`override = "perhaps"`:                           "true or false",
		`x_frame_options = "DENY"`:                       "x_frame_options",
	} {
		if _, diags := decode(t, text); len(diags) != 1 || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v, want %q", text, diags, want)
		}
	}
}

// TestNothingAllocated: the fields of an answer cost no garbage.
func TestNothingAllocated(t *testing.T) {
	spec, _ := decode(t, ``)
	s := New(spec)
	x := proxy.Exchange{Conn: proxy.NewConn(&proxy.Listener{}, trial.Peer("192.0.2.7"), true)}
	if n := testing.AllocsPerRun(100, func() {
		x.Response.Fields.Reset(nil)
		s.Response(&x)
		if _, ok := x.Response.Fields.Lookup("x-frame-options"); !ok {
			t.Fatal("no field")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
