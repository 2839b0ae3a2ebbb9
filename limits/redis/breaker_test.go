package redis

import (
	"testing"
	"time"
)

// TestBreaker is a script of moments: may a call be made, and how does it end?
func TestBreaker(t *testing.T) {
	const ms = time.Millisecond
	for _, script := range []struct {
		name  string
		steps []breakerStep
	}{
		{"some failures that are not in a row", []breakerStep{
			{0, true, true, false},
			{0, true, true, false},
			{0, true, true, false},
			{0, true, true, false},
			{0, true, false, false},
			{0, true, true, false},
			{0, true, true, false},
			{0, true, true, false},
			{0, true, true, false},
			{0, true, false, false},
		}},
		{"open, a probe that fails, one that does not", []breakerStep{
			{0, true, true, false},
			{0, true, true, false},
			{0, true, true, false},
			{0, true, true, false},
			{1 * ms, true, true, true},
			{1 * ms, false, false, false},
			{100 * ms, false, false, false},
			{101 * ms, true, true, false}, // twice as long
			{300 * ms, false, false, false},
			{301 * ms, true, false, true},
			{301 * ms, true, false, false},
		}},
	} {
		t.Run(script.name, func(t *testing.T) {
			var b breaker
			for i, s := range script.steps {
				if got := b.allow(s.at); got != s.allowed {
					t.Fatalf("step %d: allowed %t", i, got)
				}
				if s.allowed {
					if turned := b.done(s.at, s.failed); turned != s.turns {
						t.Fatalf("step %d: turned %t", i, turned)
					}
				}
			}
		})
	}
}

type breakerStep struct {
	at                     time.Duration
	allowed, failed, turns bool
}

// TestBreakerProbesAlone: while one call tries, nobody else does, and a call from
// before it opened changes nothing when it comes back late.
func TestBreakerProbesAlone(t *testing.T) {
	var b breaker
	for range failuresToOpen {
		b.allow(0)
		b.done(0, true)
	}
	b.done(0, false)
	if !b.open() {
		t.Fatal("a late success has closed it")
	}
	if !b.allow(firstPause) || b.allow(firstPause) {
		t.Fatal("not one probe alone")
	}
	b.done(firstPause, true)
	now := firstPause
	for range 10 { // the pauses grow, up to a bound
		now += longestPause
		if !b.allow(now) {
			t.Fatal("no probe after the longest pause")
		}
		b.done(now, true)
	}
}
