package logfield_test

import (
	"crypto/x509"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/logfield"
)

func decode(t testing.TB, text string) ([]logfield.Spec, hcl.Diagnostics) {
	t.Helper()
	var f *hcl.File
	var diags hcl.Diagnostics
	if strings.HasPrefix(text, `{"`) {
		f, diags = hcljson.Parse([]byte(`{"fields": `+text+`}`), "a.hcl.json")
	} else {
		f, diags = hclsyntax.ParseConfig([]byte("fields = "+text), "a.hcl", hcl.InitialPos)
	}
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	all, diags := f.Body.JustAttributes()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return logfield.Decode(all["fields"])
}

func TestDecode(t *testing.T) {
	want := []logfield.Spec{
		{Name: "tenant", Kind: logfield.JWTClaim, Path: []string{"org", "ten ant"}},
		{Name: "ref", Kind: logfield.RequestHeader, Header: "x-ref"},
		{Name: "cache", Kind: logfield.ResponseHeader, Header: "x-cache"},
		{Name: "cert", Kind: logfield.ClientCert},
	}
	for _, text := range []string{
		`{
			tenant = jwt.org["ten ant"]
			ref    = request.header["X-Ref"]
			cache  = response.header.X-Cache
			cert   = client.cert
		}`,
		`{ "tenant" = "jwt.org[\"ten ant\"]", "ref" = "request.header[\"X-Ref\"]", "cache" = "response.header[\"x-cache\"]", "cert" = "client.cert" }`,
		`{"tenant": "jwt.org[\"ten ant\"]", "ref": "request.header[\"X-Ref\"]", "cache": "response.header[\"x-cache\"]", "cert": "client.cert"}`,
	} {
		got, diags := decode(t, text)
		if len(diags) > 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", text, got, diags)
		}
	}
	for i, text := range []string{`jwt.org["ten ant"]`, `request.header["x-ref"]`, `response.header["x-cache"]`, "client.cert"} {
		if got := want[i].String(); got != text {
			t.Errorf("shown as %s, want %s", got, text)
		}
	}
	if got, diags := logfield.Decode(nil); got != nil || diags != nil {
		t.Errorf("nothing is %v, %v", got, diags)
	}
}

func TestTooMany(t *testing.T) {
	var b strings.Builder
	for range logfield.Most + 1 {
		b.WriteString("\nf" + strings.Repeat("x", b.Len()%40) + string(rune('a'+b.Len()%26)) + " = jwt.sub")
	}
	if got, diags := decode(t, "{"+b.String()+"\n}"); len(got) > logfield.Most || !diags.HasErrors() {
		t.Errorf("%d fields, %v", len(got), diags)
	}
}

type claims map[string]string

func (claims) Provider() string { return "main" }
func (c claims) Claim(path []string) (string, bool) {
	v, ok := c[path[len(path)-1]]
	return v, ok && len(path) == 2
}

// TestFields reads every kind from an exchange, and from one that has nothing.
func TestFields(t *testing.T) {
	specs, diags := decode(t, `{
		claim    = jwt.org.tenant
		header   = request.header["X-Ref"]
		answer   = response.header["X-Cache"]
		cert     = client.cert
		peer     = client.peer
		listener = listener.name
		scheme   = request.scheme
		sent     = upstream.path
	}`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	full, bare := exchange(), exchange()
	full.Identity = claims{"tenant": "acme"}
	full.Request.Fields.Foreign("x-ref", "7")
	full.Conn.SetClientCert(&x509.Certificate{Raw: []byte("certificate")})
	for _, s := range specs {
		f := s.Field()
		read := func(x *proxy.Exchange) string {
			if f.Text != nil {
				return f.Text(x)
			}
			return string(f.Bytes(x))
		}
		if (f.Text == nil) == (f.Bytes == nil) || f.Name != s.Name || (f.Response != "") != (s.Kind == logfield.ResponseHeader) {
			t.Errorf("%s: %+v", s, f)
		}
		want := map[string][2]string{
			"claim": {"acme", ""}, "header": {"7", ""}, "answer": {"", ""}, "peer": {"192.0.2.7", "192.0.2.7"},
			"listener": {"public", "public"}, "scheme": {"http", "http"}, "sent": {"", ""},
		}
		if s.Name == "cert" {
			if got := read(full); len(got) != 64 || read(bare) != "" {
				t.Errorf("the certificate is %q, none %q", got, read(bare))
			}
			continue
		}
		if got := [2]string{read(full), read(bare)}; got != want[s.Name] {
			t.Errorf("%s is %q, want %q", s.Name, got, want[s.Name])
		}
		if n := testing.AllocsPerRun(100, func() { read(full) }); f.Text != nil && n != 0 {
			t.Errorf("%s: %v allocations", s.Name, n)
		}
	}
}
