//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// believes waits until a token is accepted.
func believes(t *testing.T, what string, g *harness.Gateway, path, token string) {
	t.Helper()
	harness.Within(t, harness.Patience, what, func() error {
		a, err := g.Try(http.MethodGet, path, nil, bearer(token))
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", a.Status, a.Body)
		}
		return err
	})
}

// doubts waits until a token is refused.
func doubts(t *testing.T, what string, g *harness.Gateway, path, token string) {
	t.Helper()
	harness.Within(t, harness.Patience, what, func() error {
		a, err := g.Try(http.MethodGet, path, nil, bearer(token))
		if err == nil && a.Status != http.StatusUnauthorized {
			err = fmt.Errorf("%d %s", a.Status, a.Body)
		}
		return err
	})
}

// logs waits until the gateway has logged a text.
func logs(t *testing.T, what string, g *harness.Gateway, text string) {
	t.Helper()
	harness.Within(t, harness.Patience, what, func() error {
		if !g.Log.Contains(text) {
			return fmt.Errorf("no %q in the log", text)
		}
		return nil
	})
}

// Files of keys are followed while they hold keys, and what is no key set changes
// nothing.
func TestKeyFilesAreRewritten(t *testing.T) {
	t.Parallel()
	first, second, third := harness.NewKey(t, "ES256", "first"), harness.NewKey(t, "EdDSA", "second"), harness.NewKey(t, "ES256", "third")
	before, after := harness.NewSecret(t, []byte(secret)), harness.NewSecret(t, []byte("another "+secret))
	rotated, broken, hidden := keyFile(t, first), keyFile(t, first), filepath.Join(t.TempDir(), "secret")
	write(t, hidden, []byte(secret))
	w := newWorld(t, 1, provider("rotated", localKeys(rotated), "")+provider("broken", localKeys(broken), "")+
		provider("secret", secretFile(hidden), `algorithms = ["HS256"]`)+
		guarded("rotated", "rotated", "", "")+guarded("broken", "broken", "", "")+guarded("secret", "secret", "", ""))
	g := w.gateway
	// The same tokens all along, so that they have been verified before.
	one, two, three := first.Token(person("ada")), second.Token(person("ada")), third.Token(person("ada"))
	early, late := before.Token(person("ada")), after.Token(person("ada"))
	accepted(t, "the first key", g.Get("/rotated", bearer(one)))
	accepted(t, "the first key", g.Get("/broken", bearer(one)))
	accepted(t, "the first secret", g.Get("/secret", bearer(early)))
	rejected(t, "the second key, early", g.Get("/rotated", bearer(two)))
	rejected(t, "the second secret, early", g.Get("/secret", bearer(late)))

	write(t, rotated, harness.KeySet(t, first, second))
	write(t, broken, []byte(`{"keys": [`))
	write(t, hidden, []byte("another "+secret+"\n"))
	believes(t, "a second key beside the first", g, "/rotated", two)
	accepted(t, "the first key beside it", g.Get("/rotated", bearer(one)))
	believes(t, "the second secret", g, "/secret", late)
	rejected(t, "the first secret", g.Get("/secret", bearer(early)))
	logs(t, "half a key set", g, "keys not loaded: provider=broken")
	accepted(t, "the last good key", g.Get("/broken", bearer(one)))

	if err := os.WriteFile(rotated, harness.KeySet(t, second), 0o600); err != nil { // in place
		t.Fatal(err)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	write(t, hidden, []byte("short"))
	doubts(t, "the first key is gone", g, "/rotated", one)
	accepted(t, "the second key alone", g.Get("/rotated", bearer(two)))
	logs(t, "a missing file", g, "no such file")
	accepted(t, "the last good key, without a file", g.Get("/broken", bearer(one)))
	logs(t, "a secret too short", g, "keys not loaded: provider=secret")
	accepted(t, "the last good secret", g.Get("/secret", bearer(late)))
	rejected(t, "the secret too short", g.Get("/secret", bearer(harness.NewSecret(t, []byte("short")).Token(person("ada")))))

	write(t, broken, harness.KeySet(t, third))
	believes(t, "the file is back", g, "/broken", three)
	rejected(t, "the last good key from before", g.Get("/broken", bearer(one)))
}

// signing is a load of requests with fresh tokens of one key, each with a bearer
// of its own whom the instance must be told of.
func signing(t *testing.T, g *harness.Gateway, path string, k *harness.Key, want int) *harness.Running {
	var n atomic.Int64
	load := harness.Load{URL: g.URL(path), Want: want, Workers: 8, Fields: func() []string {
		name := fmt.Sprintf("%s-%d", k.ID, n.Add(1))
		return []string{bearer(k.Token(person(name))), "X-Expected: " + name}
	}}
	return load.Start(t)
}

// Keys are rotated under load by a server that publishes the new one before it
// signs with it, and the old one for as long as its tokens are about. Meanwhile a
// flood of tokens by unknown keys has its own provider's server asked again and
// again, and a third provider's server is gone.
func TestKeysRotateUnderLoad(t *testing.T) {
	t.Parallel() // all that is promised here is correct answers
	first, second, third := harness.NewKey(t, "ES256", "first"), harness.NewKey(t, "EdDSA", "second"), harness.NewKey(t, "ES256", "third")
	main, flooded, gone := harness.StartKeyServer(t, first), harness.StartKeyServer(t, first), harness.StartKeyServer(t, first)
	policies := func(skew string) string {
		return provider("main", remoteKeys(main.URL(), `cache_duration = "10s"`), "clock_skew = \""+skew+"\"") +
			provider("flooded", remoteKeys(flooded.URL(), `cache_duration = "1h"`), "") +
			provider("gone", remoteKeys(gone.URL(), `cache_duration = "10s"`), "clock_skew = \""+skew+"\"") +
			guarded("main", "main", `claims_to_headers = { "X-User" = "sub" }`, "") + guarded("flooded", "flooded", "", "") +
			guarded("gone", "gone", `claims_to_headers = { "X-User" = "sub" }`, "")
	}
	w := newWorld(t, 2, policies("30s"))
	g := w.gateway
	for _, i := range w.orders {
		for _, path := range []string{"/main", "/gone"} {
			i.Handle(path, func(rw http.ResponseWriter, r *http.Request) {
				got, want := r.Header.Values("X-User"), r.Header.Values("X-Expected")
				if len(want) > 0 && !slices.Equal(got, want) {
					http.Error(rw, fmt.Sprintf("told of %q", got), http.StatusTeapot)
				}
			})
		}
	}
	gone.Close()
	loads := map[string]*harness.Running{}
	loads["gone"] = harness.Load{URL: g.URL("/gone"), Workers: 2, Every: 50 * time.Millisecond, Fields: func() []string {
		return []string{bearer(first.Token(person("ada"))), "X-Expected: ada"}
	}}.Start(t)
	loads["flood"] = harness.Load{URL: g.URL("/flooded"), Want: http.StatusUnauthorized, Workers: 4, Every: 20 * time.Millisecond, Fields: func() []string {
		return []string{bearer(second.Token(person("eve")))}
	}}.Start(t)
	loads["forged"] = signing(t, g, "/main", harness.NewKey(t, "ES256", "first"), http.StatusUnauthorized)
	loads["first"] = signing(t, g, "/main", first, http.StatusOK)
	loads["first"].WaitFor(1000)

	// The new key signs as soon as it is published: the first of its tokens has
	// the gateway ask for it.
	main.Publish(first, second)
	loads["second"] = signing(t, g, "/main", second, http.StatusOK)
	loads["second"].WaitFor(1000)
	// A reload that makes new providers of the same keys refuses nobody, even
	// where the server is gone.
	g.WritePolicies(policies("31s"))
	g.Reload()
	loads["first"].WaitFor(2500)
	loads["second"].WaitFor(2500)

	old := first.Token(person("ada"))
	believes(t, "the old key", g, "/main", old)
	reports := map[string]harness.Report{"first": loads["first"].Finish()}
	main.Publish(second, third)
	loads["forged-again"] = signing(t, g, "/main", harness.NewKey(t, "EdDSA", "second"), http.StatusUnauthorized)
	doubts(t, "the old key is gone once the keys are too old", g, "/main", old)
	believes(t, "the next key", g, "/main", third.Token(person("ada")))

	harness.Within(t, harness.Patience, "the flooded provider's server is asked a second time", func() error {
		if n := len(flooded.Fetches()); n < 3 {
			return fmt.Errorf("%d times in all", n)
		}
		return nil
	})
	for name, load := range loads {
		if _, ok := reports[name]; !ok {
			reports[name] = load.Finish()
		}
		if err := reports[name].Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := reports["first"].Sent + reports["second"].Sent; n < 5000 {
		t.Errorf("only %d requests with good tokens", n)
	}
	t.Logf("%d requests by the first key, %d by the second, %d forged, %d by unknown keys",
		reports["first"].Sent, reports["second"].Sent, reports["forged"].Sent+reports["forged-again"].Sent, reports["flood"].Sent)
	// The first fetch is that of the start. Those for tokens are at least ten seconds
	// apart, as the gateway sends them; how long each takes to arrive may differ.
	fetches := flooded.Fetches()
	for n := 2; n < len(fetches); n++ {
		if fetches[n].Sub(fetches[n-1]) < 9*time.Second {
			t.Errorf("%d tokens by unknown keys caused fetches at %v", reports["flood"].Sent, fetches)
		}
	}
}

// Keys that were never had let nobody in, and nobody has to do anything for the
// gateway to have them once they can be had. It starts without them.
func TestKeysThatWereNeverLoaded(t *testing.T) {
	t.Parallel()
	key := harness.NewKey(t, "ES256", "one")
	good := harness.StartKeyServer(t, key)
	servers := map[string]*harness.KeyServer{}
	releases := []func(){}
	var policies strings.Builder
	for name, misbehave := range map[string]func(s *harness.KeyServer){
		"fails":     func(s *harness.KeyServer) { s.Fail(http.StatusInternalServerError) },
		"missing":   func(s *harness.KeyServer) { s.Fail(http.StatusNotFound) },
		"breaks":    func(s *harness.KeyServer) { s.Break() },
		"redirects": func(s *harness.KeyServer) { s.Redirect(good.URL()) },
		"garbage":   func(s *harness.KeyServer) { s.Serve([]byte("<html>please sign in</html>")) },
		"empty":     func(s *harness.KeyServer) { s.Serve([]byte(`{"keys": []}`)) },
		"endless":   func(s *harness.KeyServer) { s.Serve(append(harness.KeySet(t, key), make([]byte, 1<<20)...)) },
		"secret": func(s *harness.KeyServer) {
			s.Serve([]byte(`{"keys": [{"kty": "oct", "alg": "HS256", "k": "YSBzZWNyZXQgb2YgbW9yZSB0aGFuIHRoaXJ0eS10d28gYnl0ZXM"}]}`))
		},
		"hangs": func(s *harness.KeyServer) { releases = append(releases, s.Hang()) },
	} {
		servers[name] = harness.StartKeyServer(t, key)
		misbehave(servers[name])
		policies.WriteString(provider(name, remoteKeys(servers[name].URL(), ""), "") +
			guarded(name, name, "", `timeout = "100ms"`) + guarded(name+"-optional", name, "optional = true", `timeout = "2s"`) +
			// Where the instance has to answer, and nobody waits for keys.
			guarded(name+"-open", name, "optional = true", ""))
	}
	w := newWorld(t, 1, policies.String())
	g := w.gateway
	token := key.Token(person("ada"))
	for name := range servers {
		for _, path := range []string{"/" + name, "/" + name + "-optional"} {
			if a := g.Get(path, bearer(token)); a.Status != http.StatusServiceUnavailable || a.Problem(t).Type != problemType("jwks-unavailable") {
				t.Errorf("%s: %d %s", path, a.Status, a.Body)
			}
			rejected(t, path+", no token at all", g.Get(path, bearer("nonsense")))
			rejected(t, path+", an unsigned one", g.Get(path, bearer(harness.Unsigned(t, harness.Claims{"alg": "none"}, person("ada")))))
			rejected(t, path+", a secret's", g.Get(path, bearer(harness.NewSecret(t, []byte(secret)).Token(person("ada")))))
		}
		if a := g.Get("/" + name); a.Status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", name, a.Status)
		}
		accepted(t, name+", optional without a token", g.Get("/"+name+"-open"))
	}
	if n := len(good.Fetches()); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
	for _, s := range servers {
		s.Publish(key)
	}
	for _, release := range releases {
		release()
	}
	// Nobody asks for anything: the gateway itself says that it has them. It asks again
	// after a minute at the latest.
	harness.Within(t, 3*harness.Patience, "all keys are there", func() error {
		log := g.Log.String()
		for name := range servers {
			if !strings.Contains(log, "keys loaded: provider="+name+" ") {
				return fmt.Errorf("not those of %q", name)
			}
		}
		return nil
	})
	for name := range servers {
		accepted(t, name+", now that the keys are there", g.Get("/"+name+"-open", bearer(token)))
	}
}

// A server that hangs when the gateway starts keeps it from being ready, for as long
// as one fetch may take, and from nothing else: who needs keys waits for them.
func TestStartWhileKeysAreFetched(t *testing.T) {
	t.Parallel()
	key := harness.NewKey(t, "ES256", "one")
	server := harness.StartKeyServer(t, key)
	release := server.Hang()
	w := newWorldWith(t, 1, harness.Options{
		NotReady: true,
		Policies: provider("main", remoteKeys(server.URL(), ""), "") + guarded("patient", "main", "", `timeout = "20s"`) +
			guarded("hasty", "main", "", `timeout = "1ms"`) + guarded("open", "main", "optional = true", ""),
	})
	g := w.gateway
	harness.Within(t, harness.Patience, "who needs no keys is served", func() error {
		if a := g.Get("/open"); a.Status != http.StatusOK {
			return fmt.Errorf("%d %s", a.Status, a.Body)
		}
		return nil
	})
	token := key.Token(person("ada"))
	answers := make(chan map[int]int, 1)
	go func() { answers <- together(t, g, "/patient", 20, bearer(token)) }()
	if a := g.Get("/hasty", bearer(token)); a.Status != http.StatusServiceUnavailable || a.Problem(t).Type != problemType("jwks-unavailable") {
		t.Errorf("whose route's time is up: %d %s", a.Status, a.Body)
	}
	status, body, err := g.AdminGet("/v1/ready")
	if err != nil {
		t.Fatal(err)
	}
	server.Publish(key)
	release()
	got := <-answers
	harness.Within(t, harness.Patience, "the keys are there", func() error {
		if !g.Log.Contains("keys loaded: provider=main ") {
			return errors.New("they are not")
		}
		return nil
	})
	// Where all this took the five seconds that a fetch has, others may be had.
	if !g.Log.Contains("keys not loaded: provider=main ") {
		if status != http.StatusServiceUnavailable || !strings.Contains(string(body), "the keys of jwt providers are being fetched for the first time") {
			t.Errorf("/v1/ready: %d %s", status, body)
		}
		if got[http.StatusOK] != 20 {
			t.Errorf("who waited got %v", got)
		}
	}
	harness.Within(t, harness.Patience, "the gateway is ready", func() error {
		if status, body, err := g.AdminGet("/v1/ready"); err != nil || status != http.StatusOK {
			return fmt.Errorf("%d %s %w", status, body, err)
		}
		return nil
	})
}

// A server that is slow holds up those who need what it has, and nobody else.
func TestKeyServerThatHangs(t *testing.T) {
	t.Parallel()
	first, second := harness.NewKey(t, "ES256", "first"), harness.NewKey(t, "ES256", "second")
	server := harness.StartKeyServer(t, first)
	w := newWorld(t, 1, provider("main", remoteKeys(server.URL(), ""), "")+
		guarded("patient", "main", "", `timeout = "20s"`)+guarded("hasty", "main", "", `timeout = "100ms"`))
	g := w.gateway
	release := server.Hang()
	const waiting = 20
	answers := make(chan map[int]int, 1)
	go func() { answers <- together(t, g, "/patient", waiting, bearer(second.Token(person("ada")))) }()
	harness.Within(t, harness.Patience, "the server is asked", func() error {
		if n := len(server.Fetches()); n != 2 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
	accepted(t, "a known key meanwhile", g.Get("/patient", bearer(first.Token(person("ada")))))
	rejected(t, "an unknown key on a hasty route", g.Get("/hasty", bearer(second.Token(person("ada")))))
	server.Publish(first, second)
	release()
	if got := <-answers; got[http.StatusOK] != waiting {
		t.Errorf("who waited for the new key got %v", got)
	}
	if n := len(server.Fetches()); n != 2 {
		t.Errorf("%d requests caused %d fetches", waiting, n-1)
	}
}

// Without Consul identity and limits go on as before, and a reload forgets
// neither.
func TestIdentityAndLimitsWithoutConsul(t *testing.T) {
	t.Parallel()
	first, second := harness.NewKey(t, "ES256", "first"), harness.NewKey(t, "EdDSA", "second")
	file := keyFile(t, first)
	policies := provider("main", localKeys(file), "") + limited("per_user", 4, "jwt.sub", "") + limited("per_ip", 2, "client.ip", "") +
		guarded("user", "main", `claims_to_headers = { "X-User" = "sub" }`, `limits = ["per_user"]`) + open("ip", "per_ip")
	w := newWorldWith(t, 1, harness.Options{Listener: `trusted_proxies = ["127.0.0.0/8"]`, Policies: policies})
	g := w.gateway
	ada := bearer(first.Token(person("ada")))
	accepted(t, "before", g.Get("/user", ada))
	passes(t, "an address, before", 2, g, "/ip", from("192.0.2.1"))
	w.consul.Kill()

	if e := accepted(t, "a fresh token", g.Get("/user", bearer(first.Token(person("ada").With("jti", 2))))); e.Header.Get("X-User") != "ada" {
		t.Errorf("the instance was told of %q", e.Header.Get("X-User"))
	}
	rejected(t, "a forged token", g.Get("/user", bearer(harness.NewKey(t, "ES256", "first").Token(person("ada")))))
	passes(t, "what is left to ada", 2, g, "/user", ada)
	passes(t, "bob", 4, g, "/user", bearer(first.Token(person("bob"))))
	passes(t, "the address from before", 0, g, "/ip", from("192.0.2.1"))
	passes(t, "another address", 2, g, "/ip", from("192.0.2.2"))

	g.WritePolicies(policies + open("more", "per_ip"))
	hup(t, g, 2)
	passes(t, "ada after a reload", 0, g, "/user", ada)
	passes(t, "an address on the new route", 0, g, "/more", from("192.0.2.2"))
	write(t, file, harness.KeySet(t, second))
	believes(t, "a new key", g, "/user", second.Token(person("carol")))
	rejected(t, "the old key", g.Get("/user", ada))
	passes(t, "the same person by the new key", 0, g, "/user", bearer(second.Token(person("ada"))))
}
