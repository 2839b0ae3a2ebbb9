package limit

import (
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

// parseKey decodes `key = <text>`, or no key for an empty text.
func parseKey(t *testing.T, text, name string) ([]KeyPart, hcl.Diagnostics) {
	t.Helper()
	p := hclparse.NewParser()
	var f *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(name, ".json") {
		f, diags = p.ParseJSON([]byte(`{"key": `+text+`}`), name)
	} else {
		f, diags = p.ParseHCL([]byte("key = "+text+"\n"), name)
	}
	if diags.HasErrors() {
		t.Fatalf("parsing %s: %v", text, diags)
	}
	attrs, diags := f.Body.JustAttributes()
	if diags.HasErrors() {
		t.Fatalf("reading %s: %v", text, diags)
	}
	return DecodeKey(attrs["key"])
}

func TestDecodeKey(t *testing.T) {
	for _, c := range []struct {
		text string
		want []KeyPart
	}{
		{`null`, []KeyPart{{Kind: ClientIP}}},
		{`[]`, []KeyPart{}},
		{`[client.ip]`, []KeyPart{{Kind: ClientIP}}},
		{`[user]`, []KeyPart{{Kind: UserName}}},
		{`[client.cert]`, []KeyPart{{Kind: ClientCert}}},
		{`[request.host, request.method]`, []KeyPart{{Kind: RequestHost}, {Kind: RequestMethod}}},
		{`[route.name, service.name]`, []KeyPart{{Kind: RouteName}, {Kind: ServiceName}}},
		{`[jwt.sub]`, []KeyPart{{Kind: JWTClaim, Path: []string{"sub"}}}},
		{`[jwt.realm_access.tenant]`, []KeyPart{{Kind: JWTClaim, Path: []string{"realm_access", "tenant"}}}},
		{`[jwt["https://example.com/t"].id]`, []KeyPart{{Kind: JWTClaim, Path: []string{"https://example.com/t", "id"}}}},
		{`[request.header["X-Api-Key"]]`, []KeyPart{{Kind: RequestHeader, Name: "x-api-key"}}},
		{`[request.header.Authorization]`, []KeyPart{{Kind: RequestHeader, Name: "authorization"}}},
	} {
		got, diags := parseKey(t, c.text, "key.hcl")
		if diags.HasErrors() || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v and %v, want %v", c.text, got, diags, c.want)
		}
	}
}

func TestDecodeKeyAbsent(t *testing.T) {
	got, diags := DecodeKey(nil)
	if want := []KeyPart{{Kind: ClientIP}}; len(diags) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v and %v, want %v", got, diags, want)
	}
}

func TestDecodeKeyJSON(t *testing.T) {
	got, diags := parseKey(t, `["jwt.sub", "request.header[\"X-A\"]"]`, "key.hcl.json")
	want := []KeyPart{{Kind: JWTClaim, Path: []string{"sub"}}, {Kind: RequestHeader, Name: "x-a"}}
	if diags.HasErrors() || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v and %v, want %v", got, diags, want)
	}
}

func TestDecodeKeyErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`[client.addr]`, `Did you mean "client.ip"?`},
		{`[client.ipp]`, `Did you mean "client.ip"?`},
		{`[request.hst]`, `Did you mean "request.host"?`},
		{`[request.headers["X"]]`, `Did you mean request.header["X"]?`},
		{`[entirely.different]`, `The parts are client.ip, `},
		{`["client.ip"]`, `without the quotes`},
		{`[jwt]`, `such as jwt.sub`},
		{`[jwt.a[0]]`, `a number or a splat`},
		{`[jwt[""]]`, `a number or a splat`},
		{`[request.header]`, `needs the name of a field`},
		{`[request.header["a b"]]`, `not the name of a header field`},
		{`[client.ip, client.ip]`, `in this key already`},
		{`[request.header["A"], request.header["a"]]`, `in this key already`},
		{`[1]`, `A part of a key is one of`},
		{`[client.ip.x]`, `not a part of a key`},
		{`client.ip`, `A key is a list`},
		{`"client.ip"`, `A key is a list`},
		{`[jwt.a, jwt.b, jwt.c, jwt.d, jwt.e, jwt.f, jwt.g, jwt.h, jwt.i]`, `at most 8 parts`},
	} {
		_, diags := parseKey(t, c.text, "key.hcl")
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, c.want) {
			t.Errorf("%s: got %v, want one error with %q", c.text, diags, c.want)
		}
	}
}

// TestKeyPartString wants what is written to be read as the same part.
func TestKeyPartString(t *testing.T) {
	for _, text := range []string{
		`client.ip`, `client.cert`, `request.host`, `request.method`, `route.name`, `service.name`, `jwt.sub`, `jwt.a.b`, `jwt["a b"].c`, `request.header["x-y"]`,
	} {
		parts, diags := parseKey(t, "["+text+"]", "key.hcl")
		if diags.HasErrors() {
			t.Fatalf("%s: %v", text, diags)
		}
		if got := parts[0].String(); got != text {
			t.Errorf("got %s, want %s", got, text)
		}
	}
	if got := (KeyPart{}).String(); got != "unknown" {
		t.Errorf("got %s for the zero value, want unknown", got)
	}
}

func TestKeyPartPhases(t *testing.T) {
	for _, c := range []struct {
		kind            KeyKind
		before, ofToken bool
	}{
		{ClientIP, true, false},
		{ClientCert, true, false},
		{JWTClaim, false, true},
		{RequestHeader, true, false},
		{RequestHost, true, false},
		{RequestMethod, true, false},
		{RouteName, false, false},
		{ServiceName, false, false},
		{UserName, false, false},
	} {
		p := KeyPart{Kind: c.kind}
		if p.BeforeMatch() != c.before || p.OfToken() != c.ofToken {
			t.Errorf("%s: known before the match %t and of a token %t, want %t and %t", p, p.BeforeMatch(), p.OfToken(), c.before, c.ofToken)
		}
	}
}
