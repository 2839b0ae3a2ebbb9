package harness

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// KeyServer serves a JSON Web Key Set by HTTP, and misbehaves when told to.
type KeyServer struct {
	t      testing.TB
	server *httptest.Server

	mu      sync.Mutex
	answer  http.HandlerFunc
	fetches []time.Time
}

// StartKeyServer serves the keys until the test ends.
func StartKeyServer(t testing.TB, keys ...*Key) *KeyServer {
	t.Helper()
	s := &KeyServer{t: t}
	s.Publish(keys...)
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.fetches = append(s.fetches, time.Now())
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// URL is where the keys are.
func (s *KeyServer) URL() string { return s.server.URL + "/jwks.json" }

// Publish serves these keys from now on, and well.
func (s *KeyServer) Publish(keys ...*Key) {
	s.t.Helper()
	s.Serve(KeySet(s.t, keys...))
}

// Serve serves a text from now on, which may be no key set.
func (s *KeyServer) Serve(text []byte) {
	s.become(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(text)
	})
}

// Redirect sends whoever asks elsewhere from now on.
func (s *KeyServer) Redirect(url string) {
	s.become(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, url, http.StatusFound) })
}

// Fail answers with a status and no keys from now on.
func (s *KeyServer) Fail(status int) {
	s.become(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no keys today", status) })
}

// Break ends every connection without an answer from now on.
func (s *KeyServer) Break() {
	s.become(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// Hang gives no answer from now on, until whoever asks goes away or release is
// called: then those who have waited are answered by what the server has become
// meanwhile.
func (s *KeyServer) Hang() (release func()) {
	open := make(chan struct{})
	release = sync.OnceFunc(func() { close(open) })
	s.t.Cleanup(release) // before Close, which waits for the handlers
	s.become(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-open:
		case <-r.Context().Done():
			return
		}
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	})
	return release
}

func (s *KeyServer) become(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// Fetches returns when the keys were asked for.
func (s *KeyServer) Fetches() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.fetches...)
}

// Close refuses all connections from now on.
func (s *KeyServer) Close() {
	s.server.CloseClientConnections()
	s.server.Close()
}
