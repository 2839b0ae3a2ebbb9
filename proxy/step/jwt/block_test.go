package jwt

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

// parseBlock returns the one jwt block of a text.
func parseBlock(t *testing.T, text string, labels ...string) *hcl.Block {
	t.Helper()
	f, diags := hclparse.NewParser().ParseHCL([]byte(text), "/etc/lictor/policy.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	content, diags := f.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "jwt", LabelNames: labels}}})
	if diags.HasErrors() || len(content.Blocks) != 1 {
		t.Fatalf("%d blocks: %v", len(content.Blocks), diags)
	}
	return content.Blocks[0]
}

func beside(path string, at hcl.Range) string { return filepath.Join(filepath.Dir(at.Filename), path) }

func decodeProvider(t *testing.T, body string) (*Spec, hcl.Diagnostics) {
	t.Helper()
	b := parseBlock(t, "jwt \"main\" {\n"+body+"\n}\n", "name")
	return DecodeProvider(b.Body, b.Labels[0], b.DefRange, beside)
}

func decodeRoute(t *testing.T, body string) (*RouteSpec, hcl.Diagnostics) {
	t.Helper()
	b := parseBlock(t, "jwt {\n"+body+"\n}\n")
	return DecodeRoute(b.Body, b.DefRange, []string{"main", "other"})
}

func TestDecodeProvider(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       Spec
	}{
		{
			"defaults", `json_web_key_set {
			  local {
			    filename = "jwks.json"
			  }
			}`,
			Spec{
				Name: "main", Source: LocalSource, File: "/etc/lictor/jwks.json", Locations: []Location{{HeaderPlace, "authorization"}},
				ClockSkew: 30 * time.Second, RequireExp: true,
			},
		},
		{
			"nulls", `issuer = null
			audiences   = null
			algorithms  = null
			locations   = null
			clock_skew  = null
			require_exp = null
			json_web_key_set {
			  remote {
			    uri            = "https://id.example.com/jwks.json"
			    cache_duration = null
			  }
			}`,
			Spec{
				Name: "main", Source: RemoteSource, URI: "https://id.example.com/jwks.json", CacheDuration: 10 * time.Minute,
				Locations: []Location{{HeaderPlace, "authorization"}}, ClockSkew: 30 * time.Second, RequireExp: true,
			},
		},
		{
			"everything", `issuer = "https://id.example.com"
			audiences  = ["shop", "shop2"]
			algorithms = ["RS256", "ES256", "EdDSA", "RS256"]
			json_web_key_set {
			  remote {
			    uri            = "http://127.0.0.1:8080/jwks.json?a=b"
			    cache_duration = "1m"
			  }
			}
			locations   = ["header:X-Token", "cookie:session", "query:token", "header:Authorization", "header:x-token"]
			clock_skew  = "0s"
			require_exp = false`,
			Spec{
				Name: "main", Issuer: "https://id.example.com", Audiences: []string{"shop", "shop2"}, Algorithms: []string{"RS256", "ES256", "EdDSA"},
				Source: RemoteSource, URI: "http://127.0.0.1:8080/jwks.json?a=b", CacheDuration: time.Minute,
				Locations: []Location{{HeaderPlace, "x-token"}, {CookiePlace, "session"}, {QueryPlace, "token"}, {HeaderPlace, "authorization"}},
			},
		},
		{
			"hmac", `algorithms = ["HS256", "HS512"]
			json_web_key_set {
			  hmac {
			    secret_file = "/run/secret"
			  }
			}`,
			Spec{
				Name: "main", Algorithms: []string{"HS256", "HS512"}, Source: SecretSource, File: "/etc/lictor/run/secret",
				Locations: []Location{{HeaderPlace, "authorization"}}, ClockSkew: 30 * time.Second, RequireExp: true,
			},
		},
		{
			"secrets of a local set", `algorithms = ["HS384"]
			json_web_key_set {
			  local {
			    filename = "a"
			  }
			}`,
			Spec{
				Name: "main", Algorithms: []string{"HS384"}, Source: LocalSource, File: "/etc/lictor/a",
				Locations: []Location{{HeaderPlace, "authorization"}}, ClockSkew: 30 * time.Second, RequireExp: true,
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, diags := decodeProvider(t, c.body)
			if len(diags) > 0 {
				t.Fatal(diags)
			}
			if !reflect.DeepEqual(*got, c.want) || !got.Equal(&c.want) {
				t.Errorf("got %+v, want %+v", *got, c.want)
			}
			if got.Redacted()["json_web_key_set"] == nil {
				t.Error("the view lacks the keys")
			}
		})
	}
}

// TestEqual wants every field of a Spec to matter.
func TestEqual(t *testing.T) {
	full := func() Spec {
		return Spec{
			Name: "a", Issuer: "a", Audiences: []string{"a"}, Algorithms: []string{"a"}, Source: LocalSource, File: "a", URI: "a",
			CacheDuration: 1, Locations: []Location{{HeaderPlace, "a"}}, ClockSkew: 1, RequireExp: true,
		}
	}
	a, b := full(), full()
	if !a.Equal(&b) {
		t.Error("alike specs differ")
	}
	for i := range reflect.TypeFor[Spec]().NumField() {
		c := full()
		f := reflect.ValueOf(&c).Elem().Field(i)
		f.SetZero()
		if a.Equal(&c) {
			t.Errorf("%s doesn't matter", reflect.TypeFor[Spec]().Field(i).Name)
		}
	}
}

const localKeys = "json_web_key_set {\n local {\n filename = \"a\"\n }\n }\n"

func TestProviderErrors(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       []string // each in the summary or the detail of a diagnostic, one for one
	}{
		{"no keys", ``, []string{"Missing json_web_key_set"}},
		{"keys twice", localKeys + localKeys, []string{"Duplicate json_web_key_set"}},
		{"no source", `json_web_key_set {
		}`, []string{"Exactly one of"}},
		{"two sources", `json_web_key_set {
		  local {
		    filename = "a"
		  }
		  remote {
		    uri = "https://a/"
		  }
		}`, []string{"Exactly one of"}},
		{"misspelt", `isuer = "a"
		` + localKeys, []string{`Did you mean "issuer"?`}},
		{"misspelt block", `json_web_key_sets {
		}`, []string{`Did you mean "json_web_key_set"?`, "Missing json_web_key_set"}},
		{"no filename", `json_web_key_set {
		  local {
		  }
		}`, []string{`"filename" is required`}},
		{"empty filename", `json_web_key_set {
		  local {
		    filename = ""
		  }
		}`, []string{"must not be empty"}},
		{"none", `algorithms = ["RS256", "None"]
		` + localKeys, []string{"never accepted"}},
		{"unknown algorithm", `algorithms = ["rs256"]
		` + localKeys, []string{`Did you mean "RS256"?`}},
		{"mixed", `algorithms = ["RS256", "HS256"]
		` + localKeys, []string{"never mix"}},
		{"empty algorithms", `algorithms = []
		` + localKeys, []string{"would accept no token"}},
		{"hmac without a name", `json_web_key_set {
		  hmac {
		    secret_file = "a"
		  }
		}`, []string{"must name its algorithms"}},
		{"hmac with RSA", `algorithms = ["RS256"]
		json_web_key_set {
		  hmac {
		    secret_file = "a"
		  }
		}`, []string{"must name its algorithms"}},
		{"remote secrets", `algorithms = ["HS256"]
		json_web_key_set {
		  remote {
		    uri = "https://a/"
		  }
		}`, []string{"not a URL"}},
		{"in the clear", `json_web_key_set {
		  remote {
		    uri = "http://id.example.com/jwks.json"
		  }
		}`, []string{"must begin with https://"}},
		{"with a password", `json_web_key_set {
		  remote {
		    uri = "https://a:b@id.example.com/jwks.json"
		  }
		}`, []string{"no user name or password"}},
		{"no URL", `json_web_key_set {
		  remote {
		    uri            = "file:///etc/passwd"
		    cache_duration = "1s"
		  }
		}`, []string{"must begin with https://", "Invalid cache_duration"}},
		{"locations", `locations = ["Authorization", "cooky:a", "cookie:", "header:a b", "query:a&b", "header:Host", "header:x_forwarded_for"]
		` + localKeys, []string{`"Authorization" is not a location`, `"cooky:a"`, `"cookie:"`, `"header:a b"`, `"query:a&b"`, "Host can't hold", "x_forwarded_for can't hold"}},
		{"no location", `locations = []
		` + localKeys, []string{"must be somewhere"}},
		{"many locations", `locations = ["query:a", "query:b", "query:c", "query:d", "query:e", "query:f", "query:g", "query:h", "query:i"]
		` + localKeys, []string{"at most 8"}},
		{"types", `issuer = ["a"]
		audiences = "shop"
		clock_skew = "5"
		require_exp = "maybe"
		` + localKeys, []string{"A string is required", "A list of strings", "needs a unit", "true or false"}},
		{"empty things", `issuer = ""
		audiences = [""]
		clock_skew = "-1s"
		` + localKeys, []string{`"issuer" must not be empty`, "must not be empty", "is negative"}},
		{"variables", `issuer = var.issuer
		audiences = [aud]
		` + localKeys, []string{"Variables may not be used", "Variables may not be used"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, diags := decodeProvider(t, c.body)
			compare(t, diags, c.want)
		})
	}
}

func compare(t *testing.T, diags hcl.Diagnostics, want []string) {
	t.Helper()
	if len(diags) != len(want) {
		t.Errorf("got %d diagnostics, want %d: %v", len(diags), len(want), diags.Errs())
	}
	for _, w := range want {
		found := false
		for _, d := range diags {
			found = found || strings.Contains(d.Summary+": "+d.Detail, w)
		}
		if !found {
			t.Errorf("no diagnostic with %q among %v", w, diags.Errs())
		}
	}
	for _, d := range diags {
		if d.Subject == nil || d.Subject.Filename == "" {
			t.Errorf("%s: points nowhere", d.Summary)
		}
	}
}

func TestDecodeRoute(t *testing.T) {
	got, diags := decodeRoute(t, `provider = "main"`)
	if len(diags) > 0 || !reflect.DeepEqual(*got, RouteSpec{Provider: "main", Forward: true}) {
		t.Errorf("%+v, %v", got, diags)
	}
	got, diags = decodeRoute(t, `
		provider          = "other"
		optional          = true
		forward           = false
		claims_to_headers = { "X-User" = "sub", x-city = "address.city" }
		require           = { scope = ["orders:read", "b"], admin = true, "https://a/b" = 3, level = [1, "x", false] }
	`)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if got.Provider != "other" || !got.Optional || got.Forward ||
		!reflect.DeepEqual(got.Headers, []HeaderSpec{{"X-User", "sub"}, {"x-city", "address.city"}}) {
		t.Errorf("%+v", got)
	}
	view := got.Redacted()["require"]
	if want := map[string]any{"scope": []any{"orders:read", "b"}, "admin": []any{true}, "https://a/b": []any{3.0}, "level": []any{1.0, "x", false}}; !reflect.DeepEqual(view, want) {
		t.Errorf("require %v", view)
	}
}

func TestRouteErrors(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       []string
	}{
		{"no provider", ``, []string{`"provider" is required`}},
		{"unknown provider", `provider = "mai"`, []string{`Did you mean "main"?`}},
		{"misspelt", `provider = "main"
		requires = {}`, []string{`Did you mean "require"?`}},
		{
			"headers", `provider = "main"
		claims_to_headers = { "X-A" = "a", "x_a" = "b", "Host" = "a", "X-Forwarded-For" = "a", "x_request_id" = "a", "a b" = "a", "X-E" = "", "X-L" = ["a"], "Authorization" = "a" }`,
			[]string{"x_a is set already", "Host can't", "X-Forwarded-For can't", "x_request_id can't", `"a b" can't be the name`, "The name of a claim", "A string is required", "Authorization can't"},
		},
		{
			"require", `provider = "main"
		require = { a = [], b = {}, c = null, d = "", e = [["x"]], f = [null], g = x }`,
			[]string{"An empty list", "true, false or a list", "true, false or a list", "An empty string", "true, false or a list", "true, false or a list", "Variables may not be used"},
		},
		{
			"types", `provider = ["main"]
		optional          = "x"
		claims_to_headers = "sub"
		require           = ["scope"]`,
			[]string{"A string is required", "true or false", "An object", "An object"},
		},
		{"nulls are defaults", `provider = "main"
		optional          = null
		forward           = null
		claims_to_headers = null
		require           = null`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, diags := decodeRoute(t, c.body)
			compare(t, diags, c.want)
		})
	}
}

// TestShownURI hides what may be a secret in a URL.
func TestShownURI(t *testing.T) {
	s := Spec{Source: RemoteSource, URI: "https://id.example.com/jwks?api_key=hunter2"}
	set := s.Redacted()["json_web_key_set"].(map[string]any)["remote"].(map[string]any)
	if uri := set["uri"]; uri != "https://id.example.com/jwks?REDACTED" {
		t.Errorf("shown as %v", uri)
	}
}
