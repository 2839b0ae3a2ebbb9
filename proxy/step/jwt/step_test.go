package jwt

import (
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

func TestEveryAlgorithm(t *testing.T) {
	public := every(t)
	secret := hmacProvider(t, "HS256", "HS384", "HS512")
	for _, a := range allAlgorithms {
		p := public
		if a.family == hmacFamily {
			p = secret
		}
		text := token(t, a.name, good(nil))
		if r := p.judge(text); r != verified {
			t.Errorf("%s: %s", a.name, r)
		}
		if r := p.judge(text); r != cached {
			t.Errorf("%s again: %s", a.name, r)
		}
	}
}

func TestAnswers(t *testing.T) {
	p := every(t)
	s := step(t, []*Provider{p}, &RouteSpec{Provider: "main", Require: []Requirement{
		{Claim: "scope", Values: []Value{{String: new("orders:read")}, {String: new("orders:list")}}},
	}})
	for _, c := range []struct {
		name, token string
		status      int
		challenge   string
		problem     string
	}{
		{"missing", "", 401, `Bearer realm="main"`, "token-missing"},
		{"another scheme", "Basic YTpi", 401, `Bearer realm="main"`, "token-missing"},
		{"nonsense", "Bearer nonsense", 401, `Bearer realm="main", error="invalid_token", error_description="the token is malformed"`, "token-invalid"},
		{"empty", "Bearer", 401, `Bearer realm="main", error="invalid_token", error_description="the token is malformed"`, "token-invalid"},
		{"expired", "Bearer " + token(t, "ES256", good(object{"exp": 5})), 401, `Bearer realm="main", error="invalid_token", error_description="the token has expired"`, "token-invalid"},
		{"another issuer", "Bearer " + token(t, "ES256", good(object{"iss": "https://evil.example"})), 401, `Bearer realm="main", error="invalid_token", error_description="the token can't be trusted"`, "token-invalid"},
		{"another audience", "Bearer " + token(t, "ES256", good(object{"aud": "bank"})), 401, `Bearer realm="main", error="invalid_token", error_description="the token can't be trusted"`, "token-invalid"},
		{
			"too little", "Bearer " + token(t, "ES256", good(object{"scope": "orders:reader orders:list"})), 403,
			`Bearer realm="main", error="insufficient_scope", error_description="the token lacks a claim that is required here", scope="orders:read orders:list"`, "claims-missing",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines []string
			if c.token != "" {
				lines = append(lines, "Authorization: "+c.token)
			}
			x, client := exchange("", lines...)
			if s.Request(x) || x.Identity != nil {
				t.Fatal("it passed")
			}
			if client.status != c.status || !slices.Equal(client.fields["www-authenticate"], []string{c.challenge}) {
				t.Errorf("%d, %q", client.status, client.fields["www-authenticate"])
			}
			if !strings.Contains(client.body, "urn:lictor:problem:"+c.problem+`"`) {
				t.Errorf("body %s", client.body)
			}
			if raw, ok := strings.CutPrefix(c.token, "Bearer "); ok && x.Err != nil && strings.Contains(x.Err.Error(), raw) {
				t.Errorf("the token stands in the error %q", x.Err)
			}
		})
	}

	x, client := exchange("", "Authorization: Bearer "+token(t, "ES256", good(object{"scope": "a orders:list orders:read"})))
	if !s.Request(x) || client.status != 0 {
		t.Fatalf("a good token: %d %s", client.status, client.body)
	}
	var id proxy.Identity = x.Identity
	if sub, ok := id.Claim([]string{"sub"}); id.Provider() != "main" || !ok || sub != "ada" {
		t.Errorf("identity %+v", id)
	}
}

func TestKeysUnavailable(t *testing.T) {
	p := newProvider(basis(), new(Counters))
	for _, optional := range []bool{false, true} {
		s := step(t, []*Provider{p}, &RouteSpec{Provider: "main", Optional: optional})
		x, client := exchange("", "Authorization: Bearer "+token(t, "ES256", good(nil)))
		if s.Request(x) || client.status != 503 || !strings.Contains(client.body, "jwks-unavailable") {
			t.Errorf("optional %v: %d %s", optional, client.status, client.body)
		}
	}
}
