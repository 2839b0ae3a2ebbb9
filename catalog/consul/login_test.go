package consul

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

// stranger reports whether a request that needs a token has none that is known.
func (f *fake) stranger(r *http.Request) bool {
	switch r.URL.Path {
	case "/v1/acl/login", "/v1/status/leader":
		return false
	}
	return !f.tokens[r.Header.Get("X-Consul-Token")]
}

// acl answers logins with the bearer token "who we are", and logouts.
func (f *fake) acl(w http.ResponseWriter, r *http.Request, reply func(any)) {
	if r.URL.Path == "/v1/acl/logout" {
		delete(f.tokens, r.Header.Get("X-Consul-Token"))
		return
	}
	var in api.ACLLoginParams
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.AuthMethod != "edge" || in.BearerToken != "who we are" || r.Header.Get("X-Consul-Token") != "" {
		http.Error(w, "rejected", http.StatusForbidden)
		return
	}
	f.logins++
	t := api.ACLToken{SecretID: fmt.Sprintf("secret-%d", f.logins), AccessorID: "accessor"}
	if f.lifetime > 0 {
		end := time.Now().Add(f.lifetime)
		t.ExpirationTime = &end
	}
	f.tokens[t.SecretID] = true
	reply(t)
}

// loggedIn runs a source whose token comes by a login. end gives the token back.
func loggedIn(t *testing.T, f *fake, bearer string) (r *running, l *Login, end func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bearer")
	if err := os.WriteFile(file, []byte(bearer), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Logger: hclog.NewNullLogger(), API: &api.Config{Address: "consul.test:8500", Scheme: "http", HttpClient: &http.Client{Transport: f}}}
	l, err := NewLogin(cfg, LoginSpec{Method: "edge", BearerTokenFile: file})
	if err != nil {
		t.Fatal(err)
	}
	l.First(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(t.Context()) })
	t.Cleanup(wg.Wait)
	r = start(t, f, Config{Login: l}, "web")
	return r, l, func() { r.stop(); l.Close() }
}

func TestLogin(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.tokens, f.lifetime = map[string]bool{}, 90*time.Second
		r, l, end := loggedIn(t, f, "who we are\n")
		pass(time.Second)
		r.want("web", "web1", "with the first token")
		pass(10 * time.Minute)
		if f.logins < 10 || f.logins > 12 {
			t.Errorf("%d logins in ten minutes for tokens of 90 s, want one a minute", f.logins)
		}
		f.set("web", entry("web2", api.HealthPassing))
		synctest.Wait()
		r.want("web", "web2", "with a later token")
		for _, a := range f.requests("/v1/health/service/web") {
			if a.token == "" {
				t.Error("a service was asked for without a token")
			}
		}
		if st := r.Status(); st.Err != nil || len(st.Warnings) != 0 || l.Err() != nil {
			t.Errorf("status %+v, %v", st, l.Err())
		}
		end()
		last := fmt.Sprintf("secret-%d", f.logins)
		if f.tokens[last] {
			t.Error("the token was not given back")
		}
	})
}

// TestLoginAgain has Consul forget the token.
func TestLoginAgain(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.tokens = map[string]bool{}
		r, _, _ := loggedIn(t, f, "who we are")
		pass(10 * time.Minute)
		if f.logins != 1 {
			t.Errorf("%d logins though the token does not expire", f.logins)
		}
		f.set("web", entry("web2", api.HealthPassing))
		f.change(func() { clear(f.tokens) })
		pass(5 * time.Second)
		f.set("web", entry("web3", api.HealthPassing))
		pass(time.Minute)
		r.want("web", "web3", "after the second login")
		if f.logins != 2 {
			t.Errorf("%d logins, want 2", f.logins)
		}
	})
}

// TestLoginRefused keeps what is known: nothing is asked as a stranger.
func TestLoginRefused(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.tokens = map[string]bool{}
		r, l, _ := loggedIn(t, f, "somebody else")
		pass(5 * time.Minute)
		r.want("web", "?", "without a token")
		if err := l.Err(); err == nil || !strings.Contains(err.Error(), `auth method "edge"`) || strings.Contains(err.Error(), "somebody") {
			t.Errorf("got %v", err)
		}
		if n := len(f.requests("/v1/health/")); n != 0 {
			t.Errorf("%d questions without a token", n)
		}
		if n := len(f.requests("/v1/acl/login")); n < 8 || n > 40 {
			t.Errorf("%d logins in five minutes, want a few a minute", n)
		}
	})
}

// TestLoginOnceConsulIsThere starts without Consul.
func TestLoginOnceConsulIsThere(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.tokens, f.down = map[string]bool{}, true
		r, _, _ := loggedIn(t, f, "who we are")
		pass(time.Minute)
		f.change(func() { f.down = false })
		pass(backoffRefused + time.Second)
		r.want("web", "web1", "once Consul is there")
	})
}

func TestNoLoginBesideAToken(t *testing.T) {
	if _, err := NewLogin(Config{Token: "secret", Logger: hclog.NewNullLogger()}, LoginSpec{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}
