package jwt

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/hashicorp/go-hclog"
)

// eventually waits for what another goroutine does with the world outside, such
// as noticing a file.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// runRegistry runs a registry until the test ends.
func runRegistry(t *testing.T, o Options) *Registry {
	t.Helper()
	g := NewRegistry(o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return g
}

func local(name, file string) *Spec {
	s := basis()
	s.Name, s.File = name, file
	return s
}

// replace puts another content under a file's name at once, as a careful writer
// does.
func replace(t *testing.T, name string, content []byte) {
	t.Helper()
	fresh := file(t, content)
	if err := os.Rename(fresh, name); err != nil {
		t.Fatal(err)
	}
}

func TestRegistryFollowsFiles(t *testing.T) {
	g := runRegistry(t, Options{Poll: time.Millisecond})
	name := file(t, jwks(t, keyNamed("a")))
	set, err := g.Prepare(t.Context(), []*Spec{local("main", name)})
	if err != nil {
		t.Fatal(err)
	}
	p := set.Provider("main")
	p.refuses(t, "before it is adopted", signedBy(t, "a"), verified)
	g.Adopt(set)

	replace(t, name, jwks(t, keyNamed("b")))
	eventually(t, "a replaced file", func() bool { return p.Generation() == 2 })
	p.refuses(t, "the old key", signedBy(t, "a"), unknownKey)
	p.refuses(t, "the new key", signedBy(t, "b"), verified)

	// Written in place, to the same size and maybe within the clock's grain.
	if err := os.WriteFile(name, jwks(t, keyNamed("c")), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a file written in place", func() bool { return p.Generation() == 3 })
	p.refuses(t, "the key in place", signedBy(t, "c"), verified)

	replace(t, name, []byte("{half"))
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	replace(t, name, jwks(t, keyNamed("d")))
	eventually(t, "a file that was gone", func() bool { return p.Generation() == 4 })
}

// TestRegistryKeepsLastGood wants broken and missing files to change nothing but
// the log, in which no key stands.
func TestRegistryKeepsLastGood(t *testing.T) {
	var log safeBuffer
	g := runRegistry(t, Options{Poll: time.Millisecond, Logger: hclog.New(&hclog.LoggerOptions{Output: &log})})
	secret := string(keyring().secret)
	name := file(t, []byte(secret))
	s := local("main", name)
	s.Source, s.Algorithms = SecretSource, []string{"HS256"}
	set, err := g.Prepare(t.Context(), []*Spec{s})
	if err != nil {
		t.Fatal(err)
	}
	g.Adopt(set)
	for _, bad := range []string{"short", strings.Repeat("x", MaxSecret+1)} {
		replace(t, name, []byte(bad))
		eventually(t, "a warning", func() bool { return log.take("keys not loaded") })
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a warning", func() bool { return log.take("keys not loaded") })
	set.Provider("main").refuses(t, "the last good secret", token(t, "HS256", good(nil)), verified)
	replace(t, name, []byte(strings.ToUpper(secret)))
	eventually(t, "news", func() bool { return log.take("keys loaded") })
	set.Provider("main").refuses(t, "the last good secret", token(t, "HS256", good(nil)), badSignature)
	if all := log.String(); strings.Contains(all, secret[:10]) || strings.Contains(all, "short\n") {
		t.Errorf("a secret stands in the log: %s", all)
	}
}

// TestReload keeps providers whose spec stays, with keys and tokens, and changes
// nothing when a new one is bad.
func TestReload(t *testing.T) {
	g := runRegistry(t, Options{Poll: time.Millisecond})
	a, b := file(t, jwks(t, keyNamed("a"))), file(t, jwks(t, keyNamed("b")))
	first, err := g.Prepare(t.Context(), []*Spec{local("one", a), local("two", b)})
	if err != nil {
		t.Fatal(err)
	}
	g.Adopt(first)
	one, two := first.Provider("one"), first.Provider("two")
	one.refuses(t, "one", signedBy(t, "a"), verified)
	two.Counters.count(verified)

	_, err = g.Prepare(t.Context(), []*Spec{local("one", a), local("bad", filepath.Join(t.TempDir(), "none")), local("worse", file(t, []byte("[]")))})
	var names []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		if bad, ok := errors.AsType[*ProviderError](e); ok {
			names = append(names, bad.Provider)
		}
	}
	if !slices.Equal(names, []string{"bad", "worse"}) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("errors of %v: %v", names, err)
	}

	changed := local("two", b)
	changed.ClockSkew = time.Minute
	second, err := g.Prepare(t.Context(), []*Spec{changed, local("one", a), local("three", b)})
	if err != nil {
		t.Fatal(err)
	}
	g.Adopt(second)
	if second.Provider("one") != one {
		t.Error("an unchanged provider was made anew")
	}
	one.refuses(t, "after the reload", signedBy(t, "a"), cached)
	if p := second.Provider("two"); p == two || p.Counters != two.Counters {
		t.Error("a changed provider is the same, or lost its counters")
	}
	var order []string
	g.Each(func(p *Provider) { order = append(order, p.Spec.Name) })
	if !slices.Equal(order, []string{"two", "one", "three"}) {
		t.Errorf("at work are %v", order)
	}
	if second.Provider("none") != nil {
		t.Error("there is a provider that nobody defined")
	}

	replace(t, a, jwks(t, keyNamed("x")))
	eventually(t, "the keeper that stayed", func() bool { return one.Generation() == 2 })
	two.refuses(t, "a provider that is gone, for exchanges under way", signedBy(t, "b"), verified)

	g.Adopt(&Set{})
	g.Each(func(*Provider) { t.Error("a provider is left") })
}

// TestRegistryRemote rotates the keys of a real server, takes the server down and
// brings it back.
func TestRegistryRemote(t *testing.T) {
	var content atomic.Pointer[[]byte]
	var fetches atomic.Int64
	raw := jwks(t, keyNamed("a"))
	content.Store(&raw)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		if c := content.Load(); c != nil {
			w.Write(*c)
			return
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer server.Close()
	g := runRegistry(t, Options{})
	s := local("main", "")
	s.Source, s.URI, s.CacheDuration = RemoteSource, server.URL, time.Hour
	set, err := g.Prepare(t.Context(), []*Spec{s})
	if err != nil {
		t.Fatal(err)
	}
	p := set.Provider("main")
	p.refuses(t, "prepared", signedBy(t, "a"), verified)
	g.Adopt(set)
	w := &remoteWorld{p: p, start: time.Now(), step: step(t, []*Provider{p}, &RouteSpec{Provider: "main"})}
	eventually(t, "the keeper", func() bool {
		p.demand.mu.Lock()
		defer p.demand.mu.Unlock()
		return p.demand.asked != nil
	})

	raw = jwks(t, keyNamed("a"), keyNamed("b"))
	content.Store(&raw)
	if got := w.ask(signedBy(t, "b")); got != 0 {
		t.Errorf("a rotated key: %d", got)
	}
	for range 20 {
		if got := w.ask(signedBy(t, "c")); got != 401 {
			t.Errorf("an unknown key: %d", got)
		}
	}
	if n := fetches.Load(); n != 2 {
		t.Errorf("%d fetches", n)
	}
	content.Store(nil)
	w.start = w.start.Add(-time.Minute) // a minute later
	if got := w.ask(signedBy(t, "c")); got != 401 || fetches.Load() != 3 {
		t.Errorf("an unknown key while the server is down: %d after %d fetches", got, fetches.Load())
	}
	if got := w.ask(signedBy(t, "b")); got != 0 {
		t.Errorf("a known key while the server is down: %d", got)
	}

	gone := local("gone", "")
	gone.Source, gone.URI, gone.CacheDuration = RemoteSource, "http://127.0.0.1:1/", time.Hour
	set, err = g.Prepare(t.Context(), []*Spec{gone, s})
	if err != nil {
		t.Fatalf("a source that is down refuses the configuration: %v", err)
	}
	g.Adopt(set)
	if set.Provider("main") != p || set.Provider("gone").Generation() != 0 {
		t.Error("not what was expected of the new set")
	}
	g.Adopt(&Set{})
	eventually(t, "the end of a keeper", func() bool {
		p.demand.mu.Lock()
		defer p.demand.mu.Unlock()
		return p.demand.asked == nil
	})
}

// TestUnsettledFile reads a file again while a second change could have the time
// of the first, and not after.
// TestReloadWithoutSource wants a provider that a reload changes while its keys
// can't be fetched to go on with those that were fetched from the same URL.
func TestReloadWithoutSource(t *testing.T) {
	var down atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Write(jwks(t, keyNamed("a")))
	}))
	defer server.Close()
	g := NewRegistry(Options{}) // nobody fetches but Prepare
	remote := func(name, path string, change func(s *Spec)) *Spec {
		s := basis()
		s.Name, s.Source, s.URI, s.CacheDuration = name, RemoteSource, server.URL+path, time.Hour
		if change != nil {
			change(s)
		}
		return s
	}
	prepare := func(specs ...*Spec) *Set {
		t.Helper()
		s, err := g.Prepare(t.Context(), specs)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	g.Adopt(prepare(remote("main", "/a", nil)))
	down.Store(true)
	set := prepare(
		remote("main", "/a", func(s *Spec) { s.ClockSkew = time.Minute }),
		remote("renamed", "/a", nil),
		remote("elsewhere", "/b", nil),
		remote("strict", "/a", func(s *Spec) { s.Algorithms = []string{"RS256"} }), // which no key of that URL is for
	)
	for name, want := range map[string]result{
		"main": verified, "renamed": verified, "elsewhere": keysUnavailable, "strict": badAlgorithm,
	} {
		set.Provider(name).refuses(t, name, signedBy(t, "a"), want)
	}
	if n := set.Provider("strict").Generation(); n != 0 {
		t.Errorf("a provider that no key fits is at generation %d", n)
	}
}

func TestUnsettledFile(t *testing.T) {
	name := file(t, jwks(t, keyNamed("a")))
	k := &fileKeeper{p: newProvider(local("main", name), nil)}
	for age, want := range map[time.Duration]bool{0: true, unsettled / 2: true, 2 * unsettled: false} {
		if err := os.Chtimes(name, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
		if _, err := k.load(); err != nil {
			t.Fatal(err)
		}
		if got := k.changed(); got != want {
			t.Errorf("at the age of %v: %v", age, got)
		}
	}
}

func TestCheck(t *testing.T) {
	if err := Check(local("main", file(t, wholeSet(t)))); err != nil {
		t.Error(err)
	}
	for _, name := range []string{file(t, nil), filepath.Join(t.TempDir(), "none"), t.TempDir(), file(t, make([]byte, MaxKeySet+1)), os.DevNull} {
		if err := Check(local("main", name)); err == nil {
			t.Errorf("%s passed", name)
		}
	}
	s := local("main", "")
	s.Source, s.URI = RemoteSource, "https://192.0.2.1/"
	if err := Check(s); err != nil {
		t.Errorf("a URL was fetched: %v", err)
	}
}

// TestErrorsHideKeys wants no part of a key in what is said of a bad one.
func TestErrorsHideKeys(t *testing.T) {
	const hidden = "c2VjcmV0LXNlY3JldC1zZWNyZXQ"
	for _, jwk := range []string{
		`{"kty":"oct","k":"` + hidden + `"}`, `{"kty":"RSA","n":"` + hidden + `","e":"AQAB","d":"` + hidden + `"}`, `{"kty":"oct","k":{"` + hidden + `":1}}`,
		`{"kty":"EC","crv":"` + hidden + `","x":1}`, `{"kty":"` + hidden + `"}`, `{"kty":"oct","k":"` + hidden + `!"}`, `"` + hidden + `"`,
	} {
		if _, err := parseKeySet([]byte(`{"keys":[`+jwk+`]}`), named([]string{"HS256"})); err == nil || strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: %v", jwk, err)
		}
	}
}

// TestManyKeys bounds how many keys there are, and how many are tried with a
// token that names none.
func TestManyKeys(t *testing.T) {
	var keys []jose.JSONWebKey
	for range maxTries {
		keys = append(keys, jose.JSONWebKey{Key: keyring().other.Public(), KeyID: "other"})
	}
	right := jose.JSONWebKey{Key: keyring().rsa.Public(), KeyID: "k1"}
	unnamed := sign(t, "RS256", object{"alg": "RS256"}, good(nil), keyring().rsa)
	p := with(t, basis(), jwks(t, append(keys[:maxTries-1:maxTries-1], right)...))
	p.refuses(t, "the last that is tried", unnamed, verified)
	p = with(t, basis(), jwks(t, append(keys[:maxTries:maxTries], right)...))
	p.refuses(t, "one too far", unnamed, badSignature)
	p.refuses(t, "but named", token(t, "RS256", good(nil)), verified)
	for len(keys) <= MaxKeys {
		keys = append(keys, right)
	}
	if _, err := parseKeySet(jwks(t, keys...), 0); err == nil {
		t.Errorf("%d keys", len(keys))
	}
}

// safeBuffer is a log that a test reads while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	at int // where take goes on
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// take reports whether text was written since the last take that found some.
func (s *safeBuffer) take(text string) bool {
	all := s.String()
	i := strings.Index(all[s.at:], text)
	if i < 0 {
		return false
	}
	s.at += i + len(text)
	return true
}
