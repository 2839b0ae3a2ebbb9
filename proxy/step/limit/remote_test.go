package limit

import (
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
)

// remote plays a limiter whose budgets are elsewhere.
type remote struct {
	limits.Limiter
	away    bool            // nobody answers
	without limits.Decision // what is decided then
	known   bool            // denials are known without asking
	asked   int
}

func (r *remote) Ask(key []byte, cost int64, now limits.Time) (limits.Decision, bool) {
	r.asked++
	if r.away {
		return r.without, false
	}
	return r.Take(key, cost, now), true
}

func (r *remote) Known(key []byte, cost int64, now limits.Time) (limits.Decision, bool) {
	d := r.Peek(key, cost, now)
	return d, r.known && !d.Allowed
}

// shared returns a limit as bucket does, that is asked elsewhere.
func shared(t *testing.T, name string, burst int64, edit ...func(*Spec)) (*Limit, *remote) {
	t.Helper()
	l := bucket(t, name, burst, edit...)
	r := &remote{Limiter: l.Limiter}
	return New(l.Spec, r, nil, nil), r
}

// TestRemoteIsAskedOnce: a request asks every shared limit once, and none that is
// known to deny.
func TestRemoteIsAskedOnce(t *testing.T) {
	wide, first := shared(t, "wide", 9)
	narrow, second := shared(t, "narrow", 2)
	here := bucket(t, "here", 5)
	w := newWorld(t, nil, alone(wide, here, narrow))
	for i, want := range []int{200, 200, 429} {
		if got := w.ask("/shop"); got != want || first.asked != i+1 || second.asked != i+1 {
			t.Errorf("request %d: %d, asked %d and %d times", i, got, first.asked, second.asked)
		}
	}
	if got := w.fields["RateLimit"]; got != `"here";r=3;t=10800, "narrow";r=0;t=3600` && got != `"here";r=3;t=10799, "narrow";r=0;t=3600` {
		t.Errorf("RateLimit: %s", got) // nothing is known any more of wide
	}
	second.known = true
	if got := w.ask("/shop"); got != 429 || first.asked != 3 || second.asked != 3 {
		t.Errorf("a known denial: %d, asked %d and %d times", got, first.asked, second.asked)
	}
	now := w.x.Start
	for l, left := range map[*Limit]int64{wide: 7, here: 3, narrow: 0} {
		if d := l.Limiter.Peek(l.key(&w.x), 0, now); d.Remaining != left {
			t.Errorf("%s has %d left, want %d", l.Spec.Name, d.Remaining, left)
		}
	}
	if got := narrow.Counters.all(); got != [5]uint64{2, 0, 2, 0, 0} {
		t.Errorf("narrow counted %v", got)
	}
}

// TestRemoteIsAway has each on_store_error.
func TestRemoteIsAway(t *testing.T) {
	for _, c := range []struct {
		name    string
		on      OnStoreError
		mode    Mode
		without limits.Decision
		status  int
		shown   bool // to clients
	}{
		{"share, allowed", Share, Enforcing, limits.Decision{Allowed: true, Remaining: 1, ResetAfter: time.Second}, 200, true},
		{"share, denied", Share, Enforcing, limits.Decision{RetryAfter: time.Minute}, 429, true},
		{"open", Open, Enforcing, limits.Decision{Allowed: true}, 200, false},
		{"closed", Closed, Enforcing, limits.Decision{RetryAfter: time.Second}, 503, false},
		{"closed, permissive", Closed, Permissive, limits.Decision{RetryAfter: time.Second}, 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, r := shared(t, "shared", 5, func(s *Spec) { s.OnStoreError, s.Mode = c.on, c.mode })
			w := newWorld(t, nil, alone(l))
			r.away, r.without = true, c.without
			if got := w.ask("/shop"); got != c.status {
				t.Errorf("%d, want %d", got, c.status)
			}
			if _, shown := w.fields["RateLimit"]; shown != c.shown {
				t.Errorf("RateLimit: %q", w.fields["RateLimit"])
			}
			if _, retry := w.fields["Retry-After"]; retry != (c.status != 200) {
				t.Errorf("Retry-After: %q", w.fields["Retry-After"])
			}
			if got := l.Counters.all(); got != [5]uint64{0, 0, 0, 0, 1} {
				t.Errorf("counted %v", got)
			}
		})
	}
}

// TestRefundWithoutTheStore: a local limit that was charged before a closed one
// refused has its units back.
func TestRefundWithoutTheStore(t *testing.T) {
	here := bucket(t, "here", 5)
	l, r := shared(t, "shared", 5, func(s *Spec) { s.OnStoreError = Closed })
	r.away = true
	w := newWorld(t, nil, alone(here, l))
	if got := w.ask("/shop"); got != 503 {
		t.Errorf("%d, want 503", got)
	}
	if d := here.Limiter.Peek(here.key(&w.x), 0, w.x.Start); d.Remaining != 5 {
		t.Errorf("%d are left of 5", d.Remaining)
	}
}
