package jwt

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestFirstFetch has whoever comes before the first keys wait for them, also where
// the keeper is still to begin, and no longer than its client does.
func TestFirstFetch(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{"had": {nil, 0}, "not had": {errors.New("down"), 503}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := basis()
				s.Source, s.URI, s.CacheDuration = RemoteSource, "https://id.example.com/jwks.json", 10*time.Minute
				p := newProvider(s, new(Counters))
				source := &source{raw: jwks(t, keyNamed("a")), err: c.err, slow: 3 * time.Second, start: time.Now()}
				w := &remoteWorld{p: p, source: source, start: time.Now(), step: step(t, []*Provider{p}, &RouteSpec{Provider: "main"})}
				p.demand.expect()
				var answered atomic.Int64
				var wg sync.WaitGroup
				ask := func() {
					if got := w.ask(signedBy(t, "a")); got != c.want {
						t.Errorf("%d after %v", got, time.Since(w.start))
					}
					answered.Add(1)
				}
				for range maxWaiting + 50 {
					wg.Go(ask)
				}
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					x, client := exchange("", "Authorization: Bearer "+signedBy(t, "a"))
					client.ctx = ctx
					if w.step.Request(x) || !client.aborted || time.Since(w.start) != time.Second {
						t.Errorf("who has left: aborted %v after %v", client.aborted, time.Since(w.start))
					}
				})
				time.Sleep(2 * time.Second)
				synctest.Wait()
				ctx, cancel := context.WithCancel(t.Context())
				wg.Go(func() { (&remoteKeeper{p: p, fetch: source.fetch}).run(ctx, func(bool, error) { cancel() }) })
				time.Sleep(2 * time.Second) // the fetch is under way
				wg.Go(ask)
				synctest.Wait()
				if n := answered.Load(); n != 0 || !p.demand.expected() {
					t.Errorf("%d are answered before the fetch is over, which is expected: %v", n, p.demand.expected())
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if n := answered.Load(); n != maxWaiting+51 || p.demand.expected() || source.count() != 1 {
					t.Errorf("%d are answered after %d fetches, another is expected: %v", n, source.count(), p.demand.expected())
				}
				wg.Wait()
				cancel()
			})
		})
	}
}

// A keeper that ends before its first fetch keeps nobody waiting.
func TestFirstFetchNeverBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(basis(), new(Counters))
		p.demand.expect()
		fresh, begun := p.demand.ask(0)
		if fresh == nil || begun {
			t.Fatalf("%v %t", fresh, begun)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		(&remoteKeeper{p: p, fetch: func(ctx context.Context) ([]byte, error) { return nil, ctx.Err() }}).run(ctx, func(bool, error) {})
		<-fresh
		if p.demand.expected() {
			t.Error("it is still expected")
		}
	})
}

// TestPrepareFirst does not wait for servers of keys, but says for which keys there
// is to be waited.
func TestPrepareFirst(t *testing.T) {
	release := make(chan struct{})
	fetched := make(chan struct{}, 10)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		w.Write(jwks(t, keyNamed("a")))
	}))
	defer slow.Close()
	remote := func(name, url string) *Spec {
		s := basis()
		s.Name, s.Source, s.URI, s.CacheDuration = name, RemoteSource, url, time.Hour
		return s
	}
	g := runRegistry(t, Options{})
	set, err := g.PrepareFirst([]*Spec{remote("slow", slow.URL), remote("gone", "http://127.0.0.1:1/"), local("file", file(t, jwks(t, keyNamed("a"))))})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Fetching(); !slices.Equal(got, []string{"slow", "gone"}) || len(fetched) > 0 {
		t.Errorf("waited for are %q, after %d fetches", got, len(fetched))
	}
	set.Provider("file").refuses(t, "a file is read", signedBy(t, "a"), verified)
	g.Adopt(set)
	<-fetched
	eventually(t, "one server can't be reached", func() bool { return slices.Equal(set.Fetching(), []string{"slow"}) })
	w := &remoteWorld{p: set.Provider("slow"), start: time.Now(), step: step(t, []*Provider{set.Provider("slow")}, &RouteSpec{Provider: "slow"})}
	answer := make(chan int)
	go func() { answer <- w.ask(signedBy(t, "a")) }()
	eventually(t, "it waits", func() bool {
		d := &w.p.demand
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.waiting == 1
	})
	close(release)
	if got := <-answer; got != 0 || len(set.Fetching()) != 0 || len(fetched) != 0 {
		t.Errorf("%d, waited for are %q, %d fetches more", got, set.Fetching(), len(fetched))
	}
	if _, err := g.PrepareFirst([]*Spec{local("bad", file(t, []byte("[]")))}); err == nil {
		t.Error("a bad file passed")
	}
	if (*Set)(nil).Fetching() != nil {
		t.Error("of no providers some are fetched")
	}
}
