package jwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// source plays the place that keys are fetched from.
type source struct {
	mu      sync.Mutex
	raw     []byte
	err     error
	fetches int
	slow    time.Duration
	at      []time.Duration // when, since start
	start   time.Time
}

func (s *source) fetch(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetches++
	s.at = append(s.at, time.Since(s.start))
	raw, err := s.raw, s.err // what comes meanwhile is the next one's
	if s.slow > 0 {
		s.mu.Unlock()
		select {
		case <-time.After(s.slow):
		case <-ctx.Done():
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return raw, err
}

func (s *source) set(raw []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw, s.err = raw, err
}

// take has every answer take so long from now on.
func (s *source) take(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = d
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// remoteWorld is a provider with a keeper at work, in a bubble of its own time.
type remoteWorld struct {
	source *source
	keeper *remoteKeeper
	p      *Provider
	step   *Step
	start  time.Time
}

func runRemote(t *testing.T, raw []byte, f func(t *testing.T, w *remoteWorld)) {
	synctest.Test(t, func(t *testing.T) {
		s := basis()
		s.Source, s.URI, s.CacheDuration = RemoteSource, "https://id.example.com/jwks.json", 10*time.Minute
		w := &remoteWorld{p: newProvider(s, new(Counters)), source: &source{raw: raw, start: time.Now()}, start: time.Now()}
		w.keeper = &remoteKeeper{p: w.p, fetch: w.source.fetch}
		w.step = step(t, []*Provider{w.p}, &RouteSpec{Provider: "main"})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.keeper.run(ctx, func(bool, error) {})
		}()
		f(t, w)
		cancel()
		<-ended
	})
}

// ask serves a request with the token, and returns its status, 0 when it passed.
func (w *remoteWorld) ask(text string) int {
	x, client := exchange("", "Authorization: Bearer "+text)
	x.Start.Mono = time.Since(w.start) + time.Hour
	if w.step.Request(x) {
		return 0
	}
	return client.status
}

func keyNamed(id string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: keyring().public("EdDSA"), KeyID: id}
}

func signedBy(t *testing.T, id string) string {
	return sign(t, "EdDSA", object{"alg": "EdDSA", "kid": id}, good(nil), keyring().ed)
}

// TestRefresh fetches before the keys are too old, and keeps the last good ones
// through failures, asking again ever more slowly.
func TestRefresh(t *testing.T) {
	runRemote(t, jwks(t, keyNamed("a")), func(t *testing.T, w *remoteWorld) {
		synctest.Wait()
		if w.source.count() != 1 || w.ask(signedBy(t, "a")) != 0 {
			t.Fatal("not loaded at once")
		}
		for range 5 {
			before := w.source.count()
			time.Sleep(w.p.Spec.CacheDuration)
			synctest.Wait()
			if w.source.count() <= before {
				t.Error("the keys are older than the cache duration")
			}
		}
		if n := w.source.count(); n > 9 {
			t.Errorf("%d fetches in 50 minutes", n)
		}
		if w.p.Generation() != 1 {
			t.Errorf("generation %d without a change", w.p.Generation())
		}
		w.source.set(nil, errors.New("down"))
		time.Sleep(w.p.Spec.CacheDuration)
		before := w.source.count()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := w.source.count() - before; n < 110 || n > 300 {
			t.Errorf("%d fetches in two hours of failure", n)
		}
		if w.ask(signedBy(t, "a")) != 0 {
			t.Error("the last good keys were lost")
		}
		w.source.set([]byte("<html>"), nil)
		time.Sleep(time.Hour)
		if w.ask(signedBy(t, "a")) != 0 {
			t.Error("the last good keys were lost to a page that is no key set")
		}
		w.source.set(jwks(t, keyNamed("b")), nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.ask(signedBy(t, "a")) != 401 || w.ask(signedBy(t, "b")) != 0 {
			t.Error("the keys weren't replaced")
		}
	})
}

// TestUnknownKid fetches for a kid that nobody knows, at most once in ten
// seconds, and lets the request that asked have the new keys.
func TestUnknownKid(t *testing.T) {
	runRemote(t, jwks(t, keyNamed("a")), func(t *testing.T, w *remoteWorld) {
		synctest.Wait()
		w.source.set(jwks(t, keyNamed("a"), keyNamed("b")), nil)
		if w.ask(signedBy(t, "b")) != 0 {
			t.Error("a rotated key is refused")
		}
		if n := w.source.count(); n != 2 {
			t.Errorf("%d fetches", n)
		}
		for i := range 1000 {
			if w.ask(signedBy(t, fmt.Sprint("x", i))) != 401 {
				t.Error("a key that nobody knows passed")
			}
			time.Sleep(20 * time.Millisecond)
		}
		// 20 s have gone by: the first ask was at 0.
		if n := w.source.count(); n < 3 || n > 4 {
			t.Errorf("%d fetches after 20 s of unknown keys, want one in 10 s", n)
		}
		if w.ask(signedBy(t, "a")) != 0 {
			t.Error("a known key is refused")
		}
	})
}

// TestUnknownKidOfOthers fetches nothing for tokens that are refused anyway.
func TestUnknownKidOfOthers(t *testing.T) {
	runRemote(t, jwks(t, keyNamed("a")), func(t *testing.T, w *remoteWorld) {
		synctest.Wait()
		key := keyring().ed
		header := object{"alg": "EdDSA", "kid": "x"}
		for _, text := range []string{
			sign(t, "EdDSA", header, good(object{"iss": "https://evil.example"}), key),
			sign(t, "EdDSA", header, good(object{"exp": 1}), key),
			sign(t, "EdDSA", header, good(object{"aud": "bank"}), key),
			"x.y.z",
			signedBy(t, "a")[:200] + "AAAA",
		} {
			w.ask(text)
			time.Sleep(11 * time.Second)
		}
		if n := w.source.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// TestSlowSource holds back those who need its answer, up to a bound, and nobody
// else.
func TestSlowSource(t *testing.T) {
	runRemote(t, jwks(t, keyNamed("a")), func(t *testing.T, w *remoteWorld) {
		synctest.Wait()
		w.source.take(4 * time.Second)
		w.source.set(jwks(t, keyNamed("a"), keyNamed("b")), nil)
		var passed, refused atomic.Int64
		var wg sync.WaitGroup
		for range maxWaiting + 50 {
			wg.Go(func() {
				if w.ask(signedBy(t, "b")) == 0 {
					passed.Add(1)
				} else {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if refused.Load() != 50 || passed.Load() != 0 {
			t.Errorf("%d refused and %d passed at once", refused.Load(), passed.Load())
		}
		before := time.Now()
		if w.ask(signedBy(t, "a")) != 0 || time.Since(before) != 0 {
			t.Error("a token of a known key was held back")
		}
		wg.Wait()
		if passed.Load() != maxWaiting || w.source.count() != 2 {
			t.Errorf("%d passed after %d fetches", passed.Load(), w.source.count())
		}
	})
}

// TestFetchUnderWay doesn't take the keys of before a key's publication for an
// answer about it: a fetch that had begun by then is followed by another.
func TestFetchUnderWay(t *testing.T) {
	runRemote(t, jwks(t, keyNamed("a")), func(t *testing.T, w *remoteWorld) {
		synctest.Wait()
		w.source.take(4 * time.Second)
		for w.source.count() < 2 { // until the refresh is under way
			time.Sleep(time.Second)
		}
		var refused sync.WaitGroup
		refused.Go(func() {
			if got := w.ask(signedBy(t, "x")); got != 401 {
				t.Errorf("a key that nobody knows: %d", got)
			}
		})
		w.source.set(jwks(t, keyNamed("a"), keyNamed("b")), nil)
		if got := w.ask(signedBy(t, "b")); got != 0 {
			t.Errorf("a key that was published during a fetch: %d", got)
		}
		refused.Wait()
		if n := w.source.count(); n != 3 {
			t.Errorf("%d fetches", n)
		}
	})
}

// TestKeysComeMeanwhile refuses no token because the keys that it needs come
// between its verification and its question for them.
func TestKeysComeMeanwhile(t *testing.T) {
	s := basis()
	s.Source, s.CacheDuration = RemoteSource, time.Hour
	p := newProvider(s, new(Counters))
	source := &source{raw: jwks(t, keyNamed("0")), start: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	loaded, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		(&remoteKeeper{p: p, fetch: source.fetch}).run(ctx, func(bool, error) {
			select {
			case loaded <- struct{}{}:
			default:
			}
		})
	}()
	<-loaded
	w := &remoteWorld{p: p, start: time.Now(), step: step(t, []*Provider{p}, &RouteSpec{Provider: "main"})}
	for round := 1; round <= 300 && !t.Failed(); round++ {
		id := fmt.Sprint(round)
		token := signedBy(t, id)
		source.set(jwks(t, keyNamed(id)), nil)
		w.start = w.start.Add(-time.Minute) // a minute later
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got := w.ask(token); got != 0 {
					t.Errorf("a key that was published before its token: %d", got)
				}
			})
		}
		wg.Wait()
	}
	cancel()
	<-ended
}

// TestClientGone ends the wait of a client that left.
func TestClientGone(t *testing.T) {
	runRemote(t, jwks(t, keyNamed("a")), func(t *testing.T, w *remoteWorld) {
		synctest.Wait()
		w.source.take(4 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		x, client := exchange("", "Authorization: Bearer "+signedBy(t, "b"))
		client.ctx = ctx
		before := time.Now()
		if w.step.Request(x) || !client.aborted || client.status != 0 || time.Since(before) != time.Second {
			t.Errorf("aborted %v, %d after %v", client.aborted, client.status, time.Since(before))
		}
	})
}

// TestNeverLoaded answers 503, asks for the keys at most once in ten seconds, and
// recovers.
func TestNeverLoaded(t *testing.T) {
	runRemote(t, nil, func(t *testing.T, w *remoteWorld) {
		w.source.set(nil, errors.New("down"))
		synctest.Wait()
		for range 100 {
			if got := w.ask(signedBy(t, "a")); got != 503 {
				t.Fatalf("%d without keys", got)
			}
		}
		if n := w.source.count(); n > 2 {
			t.Errorf("%d fetches", n)
		}
		w.source.set(jwks(t, keyNamed("a")), nil)
		time.Sleep(mostRetry)
		synctest.Wait()
		if w.ask(signedBy(t, "a")) != 0 {
			t.Error("it didn't recover")
		}
	})
}

// TestKeeperGone doesn't wait for one who has left.
func TestKeeperGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := with(t, basis(), jwks(t, keyNamed("a")))
		w := &remoteWorld{p: p, start: time.Now(), step: step(t, []*Provider{p}, &RouteSpec{Provider: "main"})}
		p.demand.serve()
		waiting, _ := p.demand.ask(time.Hour)
		if waiting == nil {
			t.Fatal("nobody to ask")
		}
		p.demand.quit()
		<-waiting
		before := time.Now()
		if w.ask(signedBy(t, "b")) != 401 || time.Since(before) != 0 {
			t.Error("it waited for nobody")
		}
	})
}

func TestPause(t *testing.T) {
	s := basis()
	s.CacheDuration = 10 * time.Minute
	k := &remoteKeeper{p: newProvider(s, nil)}
	if k.pause(0.5) != 0 {
		t.Error("it waits before the first fetch")
	}
	k.tried = true
	for _, c := range []struct {
		failed      int
		least, most time.Duration
	}{{0, 450 * time.Second, 525 * time.Second}, {1, 500 * time.Millisecond, time.Second}, {3, 2 * time.Second, 4 * time.Second}, {7, 30 * time.Second, time.Minute}, {1000, 30 * time.Second, time.Minute}} {
		k.failed = c.failed
		if a, b := k.pause(0), k.pause(1); a != c.least || b != c.most {
			t.Errorf("after %d failures from %v to %v", c.failed, a, b)
		}
	}
}

// TestFetch asks real servers that do what servers do.
func TestFetch(t *testing.T) {
	set := jwks(t, keyNamed("a"))
	hang := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/jwks.json", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s", r.Method, r.Header)
		}
		w.Write(set)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/jwks.json", http.StatusFound) })
	mux.HandleFunc("/moved-for-good", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/jwks.json", http.StatusPermanentRedirect)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	mux.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/exact", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, MaxKeySet)) })
	mux.HandleFunc("/oversize", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, MaxKeySet+1)) })
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write(set[:10])
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("{"))
		w.(http.Flusher).Flush()
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	plain := httptest.NewServer(mux)
	defer plain.Close()
	defer close(hang)
	client := newClient(nil)

	for path, want := range map[string]string{
		"/jwks.json": "", "/exact": "", "/moved": "redirects are not followed", "/moved-for-good": "redirects are not followed", "/broken": "status 500",
		"/empty": "status 204", "/none": "status 404", "/oversize": "larger than", "/short": "unexpected EOF",
	} {
		raw, err := fetch(t.Context(), client, plain.URL+path)
		switch {
		case want == "" && (err != nil || len(raw) == 0):
			t.Errorf("%s: %v", path, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	for _, path := range []string{"/hang", "/drip"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := fetch(ctx, client, plain.URL+path); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", path, err)
		}
		cancel()
	}
	if _, err := fetch(t.Context(), client, "http://192.0.2.1/jwks.json"); err == nil || !strings.Contains(err.Error(), "no loopback address") {
		t.Errorf("an address that is not ours, in the clear: %v", err)
	}

	secure := httptest.NewTLSServer(mux)
	defer secure.Close()
	if _, err := fetch(t.Context(), client, secure.URL+"/jwks.json?key=hunter2"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
	trusting := newClient(secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs)
	if raw, err := fetch(t.Context(), trusting, secure.URL+"/jwks.json"); err != nil || string(raw) != string(set) {
		t.Errorf("over TLS: %v", err)
	}
}

func TestCheckURI(t *testing.T) {
	for uri, ok := range map[string]bool{
		"https://id.example.com/jwks.json": true, "https://10.0.0.1:8443/?a=b": true, "http://127.0.0.1:1/": true, "http://[::1]/": true, "http://localhost:80/x": true,
		"http://id.example.com/": false, "http://localhost.evil.example/": false, "http://10.0.0.1/": false, "http://0.0.0.0/": false, "ftp://a/": false, "/jwks.json": false,
		"": false, "https://": false, "https:///x": false, "https://u@a/": false, "https://a/#f": false, "http://127.0.0.1@evil.example/": false, "HTTP://evil.example": false, "https://a b/": false,
	} {
		if err := checkURI(uri); (err == nil) != ok {
			t.Errorf("%q: %v", uri, err)
		}
	}
}
