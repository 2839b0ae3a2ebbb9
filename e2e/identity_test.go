//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

const (
	secret = "a secret of more than thirty-two bytes"
	issuer = "https://id.example.com"
)

// person returns the claims of a good token.
func person(name string) harness.Claims {
	return harness.Claims{
		"iss": issuer, "aud": "shop", "sub": name, "scope": "orders:write orders:read",
		"exp": time.Now().Add(time.Hour).Unix(),
	}
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// keyFile writes a key set of these keys and returns the file.
func keyFile(t *testing.T, keys ...*harness.Key) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jwks.json")
	write(t, file, harness.KeySet(t, keys...))
	return file
}

// Each returns the inside of a json_web_key_set block.
func localKeys(file string) string  { return fmt.Sprintf("local {\n filename = %q\n}", file) }
func secretFile(file string) string { return fmt.Sprintf("hmac {\n secret_file = %q\n}", file) }
func remoteKeys(url, more string) string {
	return fmt.Sprintf("remote {\n uri = %q\n %s\n}", url, more)
}

// provider returns a jwt block of the usual issuer and audience, with more
// attributes.
func provider(name, keys, more string) string {
	return fmt.Sprintf(`
jwt %q {
  issuer    = %q
  audiences = ["shop"]
  json_web_key_set {
    %s
  }
  %s
}
`, name, issuer, keys, more)
}

// guarded returns a route of its own name, with one jwt block of the provider and
// more inside of either.
func guarded(name, provider, inJWT, inRoute string) string {
	return fmt.Sprintf(`
route %q {
  path_prefix = "/%s"
  service     = "orders"
  %s
  jwt {
    provider = %q
    %s
  }
}
`, name, name, inRoute, provider, inJWT)
}

// rejected checks an answer to a token that must not be believed.
func rejected(t *testing.T, what string, a harness.Answer) {
	t.Helper()
	challenge := a.Header.Get("WWW-Authenticate")
	if a.Status != http.StatusUnauthorized || !strings.Contains(challenge, `error="invalid_token"`) || !contains(a.Body, problemType("token-invalid")) {
		t.Errorf("%s: %d, WWW-Authenticate %q: %s", what, a.Status, challenge, a.Body)
	}
}

// accepted checks an answer of an instance and returns what that saw.
func accepted(t *testing.T, what string, a harness.Answer) harness.Echo {
	t.Helper()
	if a.Status != http.StatusOK || a.Instance() == "" {
		t.Errorf("%s: %d: %s", what, a.Status, a.Body)
		return harness.Echo{Header: http.Header{}}
	}
	return a.Echo(t)
}

func TestJWT(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, []byte(secret+"\n"))
	w := newWorld(t, 1, provider("main", secretFile(file), `algorithms = ["HS256"]`)+
		guarded("guarded", "main", `
    claims_to_headers = { "X-User" = "sub" }
    require           = { scope = ["orders:read"] }`, "")+
		guarded("optional", "main", `
    optional          = true
    claims_to_headers = { "X-User" = "sub" }`, ""))
	key := harness.NewSecret(t, []byte(secret))
	good := key.Token(person("ada"))

	saw := accepted(t, "a good token", w.gateway.Get("/guarded", bearer(good), "X-User: root"))
	if users := saw.Header.Values("X-User"); !slices.Equal(users, []string{"ada"}) {
		t.Errorf("X-User is %q upstream", users)
	}

	a := w.gateway.Get("/guarded")
	if challenge := a.Header.Get("WWW-Authenticate"); a.Status != http.StatusUnauthorized ||
		!strings.HasPrefix(challenge, "Bearer realm=") || strings.Contains(challenge, "error") {
		t.Errorf("no token: %d, WWW-Authenticate %q", a.Status, challenge)
	} else if p := a.Problem(t); p.Type != problemType("token-missing") {
		t.Errorf("no token: %+v", p)
	}

	other := harness.NewSecret(t, []byte(secret+"!"))
	for name, bad := range map[string]string{
		"another key":          other.Token(person("ada")),
		"another algorithm":    key.TokenWith(harness.Claims{"alg": "HS512"}, person("ada")),
		"a secret's newline":   harness.NewSecret(t, []byte(secret+"\n")).Token(person("ada")),
		"an empty secret":      harness.NewSecret(t, nil).Token(person("ada")),
		"not a token at all":   "nonsense",
		"a cut signature":      good[:len(good)-2],
		"no expiry":            key.Token(person("ada").With("exp", nil)),
		"alg in small letters": key.TokenWith(harness.Claims{"alg": "hs256"}, person("ada")),
	} {
		for _, path := range []string{"/guarded", "/optional"} {
			rejected(t, path+", "+name, w.gateway.Get(path, bearer(bad)))
		}
	}

	a = w.gateway.Get("/guarded", bearer(key.Token(person("ada").With("scope", "orders:reader"))))
	if challenge := a.Header.Get("WWW-Authenticate"); a.Status != http.StatusForbidden || !strings.Contains(challenge, `error="insufficient_scope"`) {
		t.Errorf("too little scope: %d, WWW-Authenticate %q", a.Status, challenge)
	} else if p := a.Problem(t); p.Type != problemType("claims-missing") {
		t.Errorf("too little scope: %+v", p)
	}

	accepted(t, "optional without a token", w.gateway.Get("/optional"))
	accepted(t, "optional with other credentials", w.gateway.Get("/optional", "Authorization: Basic YTpi"))
	if w.gateway.Log.Contains(good) {
		t.Error("a token stands in the log")
	}
	if lines, err := w.gateway.AccessLog(); err != nil {
		t.Error(err)
	} else if text, err := json.Marshal(lines); err != nil || strings.Contains(string(text), good) {
		t.Errorf("a token stands in the access log (%v)", err)
	}
}

// What an instance reads of a client's identity is what a verified token says,
// whatever the client sends under that name or under one like it.
func TestClaimsToHeaders(t *testing.T) {
	t.Parallel()
	key := harness.NewKey(t, "EdDSA", "one")
	claims := `claims_to_headers = { "X-User" = "sub", "X-Groups" = "groups", "X-Plan" = "shop.plan", "X-Number" = "number" }`
	w := newWorld(t, 1, provider("main", localKeys(keyFile(t, key)), "")+
		guarded("strict", "main", claims, "")+
		guarded("optional", "main", claims+"\noptional = true", ""))
	forged := []string{
		"X-User: root", "x-user: root", "X_User: root", "x_USER: root", "X-User: ",
		"X-Groups: admin", "X_Groups: admin", "X-Plan: gold", "X-Number: 0",
	}
	names := []string{"X-User", "X_user", "X-Groups", "X_groups", "X-Plan", "X-Number"}
	seen := func(e harness.Echo) map[string][]string {
		got := map[string][]string{}
		for name, values := range e.Header {
			folded := strings.ReplaceAll(strings.ToLower(name), "_", "-")
			if slices.ContainsFunc(names, func(n string) bool { return strings.ToLower(n) == folded }) {
				got[name] = values
			}
		}
		return got
	}
	same := func(what string, e harness.Echo, want map[string][]string) {
		t.Helper()
		if got := seen(e); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: the instance saw %v, want %v", what, got, want)
		}
	}

	whole := person("ada").With("groups", []string{"staff", "ops"}).
		With("shop", map[string]any{"plan": "silver"}).With("number", json.Number("9007199254740993"))
	want := map[string][]string{"X-User": {"ada"}, "X-Groups": {"staff,ops"}, "X-Plan": {"silver"}, "X-Number": {"9007199254740993"}}
	for _, path := range []string{"/strict", "/optional"} {
		fields := append([]string{bearer(key.Token(whole))}, forged...)
		same(path+", all claims", accepted(t, path, w.gateway.Get(path, fields...)), want)
		// Nobody can have the connection take away what the gateway adds.
		fields = append(fields, "Connection: X-User, X-Groups, X-Plan", "Connection: x-number")
		same(path+", nominated", accepted(t, path, w.gateway.Get(path, fields...)), want)
		fields = append([]string{bearer(key.Token(person("ada")))}, forged...)
		same(path+", one claim", accepted(t, path, w.gateway.Get(path, fields...)), map[string][]string{"X-User": {"ada"}})
	}
	same("no token", accepted(t, "no token", w.gateway.Get("/optional", forged...)), nil)

	// A claim that is no plain text makes no field, and above all no second one.
	for _, name := range []string{"a\r\nX-Admin: 1", "a\nb", " ada", "ada ", "\x00", strings.Repeat("a", 5000)} {
		e := accepted(t, fmt.Sprintf("the name %.20q", name), w.gateway.Get("/strict", bearer(key.Token(person(name)))))
		if same(fmt.Sprintf("the name %.20q", name), e, nil); e.Header.Get("X-Admin") != "" {
			t.Errorf("the name %q made a field of its own", name)
		}
	}
	e := accepted(t, "a list with a comma", w.gateway.Get("/strict", bearer(key.Token(person("ada").With("groups", []string{"a,admin"})))))
	same("a list with a comma", e, map[string][]string{"X-User": {"ada"}})
}

// Any of a route's providers will do, and none can speak for another.
func TestSeveralProviders(t *testing.T) {
	t.Parallel()
	staff, partners := harness.NewKey(t, "RS256", "one"), harness.NewKey(t, "ES256", "one")
	const partner = "https://partners.example.com"
	w := newWorld(t, 1, provider("staff", localKeys(keyFile(t, staff)), "")+
		strings.ReplaceAll(provider("partners", localKeys(keyFile(t, partners)), ""), issuer, partner)+`
limit "token_bucket" "each" {
  rate  = "1/h"
  burst = 2
  key   = [jwt.sub]
}
route "both" {
  path_prefix = "/both"
  service     = "orders"
  limits      = ["each"]
  jwt {
    provider          = "staff"
    require           = { role = "clerk" }
    claims_to_headers = { "X-Staff" = "sub" }
  }
  jwt {
    provider          = "partners"
    claims_to_headers = { "X-Partner" = "sub" }
  }
}
`)
	clerk := bearer(staff.Token(person("ada").With("role", "clerk")))
	other := bearer(partners.Token(person("ada").With("iss", partner)))
	forged := []string{"X-Staff: root", "X-Partner: root"}

	// The same name with two providers is two people, with a budget each.
	for range 2 {
		e := accepted(t, "staff", w.gateway.Get("/both", append(forged, clerk)...))
		if e.Header.Get("X-Staff") != "ada" || e.Header.Get("X-Partner") != "" {
			t.Errorf("staff: the instance saw %v", e.Header)
		}
		e = accepted(t, "partners", w.gateway.Get("/both", append(forged, other)...))
		if e.Header.Get("X-Partner") != "ada" || e.Header.Get("X-Staff") != "" {
			t.Errorf("partners: the instance saw %v", e.Header)
		}
	}
	for _, who := range []string{clerk, other} {
		if a := w.gateway.Get("/both", who); a.Status != http.StatusTooManyRequests {
			t.Errorf("a third request: %d", a.Status)
		}
	}

	// Each provider's keys are good for its own issuer alone.
	rejected(t, "a partner as staff", w.gateway.Get("/both", bearer(partners.Token(person("eve").With("role", "clerk")))))
	rejected(t, "staff as a partner", w.gateway.Get("/both", bearer(staff.Token(person("eve").With("iss", partner)))))
	if a := w.gateway.Get("/both", bearer(staff.Token(person("eve")))); a.Status != http.StatusForbidden {
		t.Errorf("staff without the role: %d %s", a.Status, a.Body)
	}
	if a := w.gateway.Get("/both"); a.Status != http.StatusUnauthorized || a.Problem(t).Type != problemType("token-missing") {
		t.Errorf("nobody: %d %s", a.Status, a.Body)
	}
}
