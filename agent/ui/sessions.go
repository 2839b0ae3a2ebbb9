package ui

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// Bounds of sessions.
const (
	sessionTime  = 12 * time.Hour
	mostSessions = 100
)

// sessions are those who have signed in. Only digests of what their browsers keep
// are kept, and only here: a restart ends them all.
type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	end map[[sha256.Size]byte]time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, end: map[[sha256.Size]byte]time.Time{}}
}

// begin returns the secret of a new session. When there are too many, the one that
// ends first gives way.
func (s *sessions) begin() string {
	secret := rand.Text()
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest [sha256.Size]byte
	var ends time.Time
	for id, end := range s.end {
		if !now.Before(end) {
			delete(s.end, id)
		} else if ends.IsZero() || end.Before(ends) {
			oldest, ends = id, end
		}
	}
	if len(s.end) >= mostSessions {
		delete(s.end, oldest)
	}
	s.end[sha256.Sum256([]byte(secret))] = now.Add(sessionTime)
	return secret
}

func (s *sessions) valid(secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.end[sha256.Sum256([]byte(secret))]
	return ok && s.now().Before(end)
}

func (s *sessions) finish(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.end, sha256.Sum256([]byte(secret)))
}

func (s *sessions) finishAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.end)
}

// SignOutAll ends every session. It is called after another token has taken the
// place of the one that they were begun with.
func (h *Handler) SignOutAll() { h.sessions.finishAll() }

// secret returns what the browser keeps of its session.
func (h *Handler) secret(r *http.Request) (string, bool) {
	c, err := r.Cookie(h.cookie)
	if err != nil {
		return "", false
	}
	return c.Value, true
}

// setCookie gives the browser a session's secret, or takes it away. The cookie is
// not for scripts, does not go along with what another site's page asks, and is good
// for the dashboard alone: a browser shows it to every port of this machine, so to
// whatever instance is asked for such a path there.
func (h *Handler) setCookie(w http.ResponseWriter, r *http.Request, secret string) {
	c := &http.Cookie{ //nolint:gosec // G124: the API speaks HTTP; Secure is set where it does not
		Name: h.cookie, Value: secret, Path: Prefix, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil, MaxAge: int(sessionTime.Seconds()),
	}
	if secret == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
