//go:build e2e

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const secret = "a secret of more than thirty-two bytes"

// token signs claims by HS256.
func token(t *testing.T, key string, header, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := part(header) + "." + part(claims)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestJWT(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 1, strings.ReplaceAll(`
jwt "main" {
  issuer     = "https://id.example.com"
  audiences  = ["shop"]
  algorithms = ["HS256"]
  json_web_key_set {
    hmac {
      secret_file = "SECRET"
    }
  }
}
limit "token_bucket" "per_user" {
  rate  = "1/h"
  burst = 2
  key   = [jwt.sub]
}
route "guarded" {
  path_prefix = "/guarded"
  service     = "orders"
  jwt {
    provider          = "main"
    claims_to_headers = { "X-User" = "sub" }
    require           = { scope = ["orders:read"] }
  }
}
route "limited" {
  path_prefix = "/limited"
  service     = "orders"
  limits      = ["per_user"]
  jwt {
    provider = "main"
  }
}
route "optional" {
  path_prefix = "/optional"
  service     = "orders"
  jwt {
    provider          = "main"
    optional          = true
    claims_to_headers = { "X-User" = "sub" }
  }
}
`, "SECRET", file))

	hs256 := map[string]any{"alg": "HS256", "typ": "JWT"}
	claims := func(change func(map[string]any)) map[string]any {
		c := map[string]any{
			"iss": "https://id.example.com", "aud": "shop", "sub": "ada", "scope": "orders:write orders:read",
			"exp": time.Now().Add(time.Hour).Unix(),
		}
		if change != nil {
			change(c)
		}
		return c
	}
	good := token(t, secret, hs256, claims(nil))

	a := w.gateway.Get("/guarded", "Authorization: Bearer "+good, "X-User: root")
	if a.Status != http.StatusOK {
		t.Fatalf("a good token: %d: %s", a.Status, a.Body)
	}
	if users := a.Echo(t).Header.Values("X-User"); len(users) != 1 || users[0] != "ada" {
		t.Errorf("X-User is %q upstream", users)
	}

	a = w.gateway.Get("/guarded")
	if challenge := a.Header.Get("WWW-Authenticate"); a.Status != http.StatusUnauthorized ||
		!strings.HasPrefix(challenge, "Bearer realm=") || strings.Contains(challenge, "error") {
		t.Errorf("no token: %d, WWW-Authenticate %q", a.Status, challenge)
	} else if p := a.Problem(t); p.Type != problemType("token-missing") {
		t.Errorf("no token: %+v", p)
	}

	for name, bad := range map[string]string{
		"another key":        token(t, secret+"!", hs256, claims(nil)),
		"no signature":       token(t, secret, map[string]any{"alg": "none"}, claims(nil)),
		"another algorithm":  token(t, secret, map[string]any{"alg": "HS512"}, claims(nil)),
		"a critical header":  token(t, secret, map[string]any{"alg": "HS256", "crit": []string{"x"}, "x": 1}, claims(nil)),
		"expired":            token(t, secret, hs256, claims(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() })),
		"without an expiry":  token(t, secret, hs256, claims(func(c map[string]any) { delete(c, "exp") })),
		"not yet":            token(t, secret, hs256, claims(func(c map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() })),
		"another issuer":     token(t, secret, hs256, claims(func(c map[string]any) { c["iss"] = "https://evil.example" })),
		"another audience":   token(t, secret, hs256, claims(func(c map[string]any) { c["aud"] = []string{"bank"} })),
		"not a token at all": "nonsense",
		"a cut signature":    good[:len(good)-2],
	} {
		for _, path := range []string{"/guarded", "/optional"} {
			a := w.gateway.Get(path, "Authorization: Bearer "+bad)
			if challenge := a.Header.Get("WWW-Authenticate"); a.Status != http.StatusUnauthorized || !strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("%s, %s: %d, WWW-Authenticate %q", path, name, a.Status, challenge)
			}
		}
	}

	a = w.gateway.Get("/guarded", "Authorization: Bearer "+
		token(t, secret, hs256, claims(func(c map[string]any) { c["scope"] = "orders:reader" })))
	if challenge := a.Header.Get("WWW-Authenticate"); a.Status != http.StatusForbidden || !strings.Contains(challenge, `error="insufficient_scope"`) {
		t.Errorf("too little scope: %d, WWW-Authenticate %q", a.Status, challenge)
	}

	if a := w.gateway.Get("/optional", "X-User: root"); a.Status != http.StatusOK || a.Echo(t).Header.Get("X-User") != "" {
		t.Errorf("optional without a token: %d: %s", a.Status, a.Body)
	}

	for _, user := range []string{"ada", "bob"} {
		bearer := "Authorization: Bearer " + token(t, secret, hs256, claims(func(c map[string]any) { c["sub"] = user }))
		if passed, _ := spend(t, w.gateway, "/limited", bearer); passed != 2 {
			t.Errorf("%s: %d requests passed, want 2", user, passed)
		}
	}
	if w.gateway.Log.Contains(good) {
		t.Error("a token stands in the log")
	}
	if lines, err := w.gateway.AccessLog(); err != nil {
		t.Error(err)
	} else if text, err := json.Marshal(lines); err != nil || strings.Contains(string(text), good) {
		t.Errorf("a token stands in the access log (%v)", err)
	}
}
