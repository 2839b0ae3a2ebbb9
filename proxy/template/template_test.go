package template_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/template"
	"github.com/lictor/lictor/proxy/trial"
)

type bearer string

func (bearer) Provider() string                { return "main" }
func (b bearer) Claim([]string) (string, bool) { return string(b), true }

// probe is a step that writes templates of its route.
type probe struct {
	text       *template.Template
	url, field string
	fits, ok   bool
}

func (p *probe) Request(x *proxy.Exchange) bool {
	b, ok := p.text.AppendURL(nil, x)
	p.url, p.ok = string(b), ok
	b, ok = p.text.AppendField(nil, x)
	p.field, p.fits = string(b), ok
	return true
}

// ask returns a text as a request makes it.
func ask(t testing.TB, text string, paths template.Paths, claim, address string, fields ...string) *probe {
	t.Helper()
	tt, err := template.Parse(text, template.NewRoute(paths))
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{text: tt}
	rule := router.Rule{Name: "r", PathPrefix: paths.Prefix, PathPattern: paths.Pattern, PathRegex: paths.Regex}
	g, err := trial.New(t.Context(), &proxy.Route{Rule: rule, Service: "orders", Steps: []proxy.Step{p}})
	if err != nil {
		t.Fatal(err)
	}
	g.Identity = bearer(claim)
	if a := g.Ask("GET", address, fields...); a.Status != 200 {
		t.Fatalf("%+v", a)
	}
	return p
}

// TestFields: in a field a value stands as it is, or not at all.
func TestFields(t *testing.T) {
	for name, c := range map[string]struct {
		text, claim string
		want        string
		fits        bool
	}{
		"a constant":         {"a b", "", "a b", true},
		"several":            {"{method} {scheme}://{host}{path}{query} {client.ip} {route}@{service}", "", "GET http://h/a/b?c=%7B 192.0.2.7 r@orders", true},
		"a claim":            {"user={jwt.sub}", "a/?é\"", "user=a/?é\"", true},
		"nothing":            {"{jwt.sub}", "", "", false},
		"a line":             {"x{jwt.sub}", "a\r\nEvil: 1", "", false},
		"a line feed":        {"x{jwt.sub}", "a\nb", "", false},
		"NUL":                {"x{jwt.sub}", "a\x00", "", false},
		"DEL":                {"x{jwt.sub}", "\x7f", "", false},
		"white space around": {"{jwt.sub}", " a", "", false},
		"too long":           {"{jwt.sub}", strings.Repeat("a", template.MaxField+1), "", false},
		"as long as may be":  {"{jwt.sub}", strings.Repeat("a", template.MaxField), strings.Repeat("a", template.MaxField), true},
		"a field":            {"{header.x-a}", "", "1, 2", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := ask(t, c.text, template.Paths{Prefix: "/a"}, c.claim, "H:80/a/b?c={", "X-A: 1", "X-A: 2")
			if p.fits != c.fits || c.fits && p.field != c.want {
				t.Errorf("%q %t, want %q %t", p.field, p.fits, c.want, c.fits)
			}
		})
	}
}

// TestCertificate writes what a client's certificate says, and nothing without one.
func TestCertificate(t *testing.T) {
	u, err := url.Parse("spiffe://shop.test/ns/a,b")
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		Raw: []byte("der"), SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: "ada, of\r\nX: 1", Organization: []string{"Shop"}},
		DNSNames: []string{"a.test", "b.test"}, URIs: []*url.URL{u},
	}
	for text, want := range map[string]string{
		"{client.cert}":         "5050d80d22ecd471ea55df7034042c1e041341ff4066e7f6ff38e20b720df8ea",
		"{client.cert.subject}": "", // a line can't be made of it
		"{client.cert.serial}":  "abc",
		"{client.cert.san_dns}": "a.test,b.test",
		"{client.cert.san_uri}": "spiffe://shop.test/ns/a%2Cb",
		"{client.cert.der}":     ":ZGVy:",
	} {
		tt, err := template.Parse(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		x := &proxy.Exchange{Conn: proxy.NewConn(&proxy.Listener{}, netip.AddrPort{}, true)}
		if b, ok := tt.AppendField(nil, x); ok || len(b) > 0 || !tt.Lacks(x) {
			t.Errorf("%s without a certificate: %q", text, b)
		}
		x.Conn.SetClientCert(cert)
		b, ok := tt.AppendField(nil, x)
		if want == "" && ok || want != "" && string(b) != want || tt.Lacks(x) {
			t.Errorf("%s: %q, want %q", text, b, want)
		}
	}
}

// TestRest is what the route's own prefix leaves, however that is spelt.
func TestRest(t *testing.T) {
	for _, c := range []struct {
		paths      template.Paths
		path, want string
	}{
		{template.Paths{Prefix: "/a/"}, "/a/b", "/b"},
		{template.Paths{Prefix: "/a"}, "/a", ""},
		{template.Paths{Prefix: "/a/b", StripPrefix: "/a"}, "/a/b", "/b"},
		{template.Paths{Prefix: "/ü"}, "/%c3%bc/x", "/x"},
		{template.Paths{Prefix: "/"}, "/x/", "/x/"},
		{template.Paths{}, "/x", "/x"},
	} {
		if p := ask(t, "{rest}", c.paths, "", "h"+c.path); p.url != c.want || !p.ok {
			t.Errorf("%+v of %s: %q, want %q", c.paths, c.path, p.url, c.want)
		}
	}
}

func TestConstant(t *testing.T) {
	for text, want := range map[string]bool{"": true, "a": true, "{{a}}": true, "{path}": false, "a{path}": false} {
		tt, err := template.Parse(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := tt.Constant(); ok != want {
			t.Errorf("%q is constant: %t", text, ok)
		}
	}
}

// FuzzAppend: whatever a policy and a request say, a text can't end the line or the
// part of a URL that it stands in.
func FuzzAppend(f *testing.F) {
	for _, s := range []string{"a{jwt.sub}b", "{{", "}}", "{path.1}", "{header.A}", "{host}", "{", "{jwt.}"} {
		f.Add(s, "a\r\nb/?#")
	}
	f.Fuzz(func(t *testing.T, text, claim string) {
		tt, err := template.Parse(text, template.NewRoute(template.Paths{Regex: "/(a)(?P<b>b)?"}))
		if err != nil {
			return
		}
		var x proxy.Exchange
		x.Conn = proxy.NewConn(&proxy.Listener{}, trial.Peer("192.0.2.7"), false)
		x.Request.Host = []byte("example.com")
		x.Identity = bearer(claim)
		if b, ok := tt.AppendField(nil, &x); ok && (!template.FieldValue(b) || strings.ContainsAny(string(b), "\r\n\x00")) {
			t.Errorf("%q with %q made the field %q", text, claim, b)
		}
		if strings.Contains(text, claim) || len(claim) == 0 || strings.Trim(claim, "\r\n/?#&= ") != "" {
			return
		}
		if b, ok := tt.AppendURL(nil, &x); ok && strings.Contains(text, "{jwt.") && strings.Count(string(b), claim) > strings.Count(text, claim) {
			t.Errorf("%q with %q made the URL %q", text, claim, b)
		}
	})
}
