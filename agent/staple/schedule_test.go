package staple

import (
	"testing"
	"time"
)

func TestRefresh(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		life, at time.Duration
		revoked  bool
		r        float64
		want     time.Duration
	}{
		{100 * time.Hour, 0, false, 0, 50 * time.Hour},
		{100 * time.Hour, 0, false, 0.5, 52*time.Hour + 30*time.Minute},
		{100 * time.Hour, 20 * time.Hour, false, 0, 30 * time.Hour},
		{100 * time.Hour, 50 * time.Hour, false, 0.5, 25 * time.Hour}, // there was nothing newer
		{100 * time.Hour, 75 * time.Hour, false, 0, 12*time.Hour + 30*time.Minute},
		{time.Minute, 59 * time.Second, false, 0, rest},
		{time.Second, 0, false, 0, rest},
		{100 * time.Hour, 0, true, 0, revokedRest},
		{time.Hour, 0, true, 0, 30 * time.Minute},
	} {
		a := &answer{this: start, next: start.Add(c.life), revoked: c.revoked}
		if got := refresh(a, start.Add(c.at), c.r); got != c.want {
			t.Errorf("%v after %v: %v, want %v", c.life, c.at, got, c.want)
		}
	}
}

func TestRetry(t *testing.T) {
	for _, c := range []struct {
		failures int
		r        float64
		want     time.Duration
	}{
		{1, 0, 5 * time.Second},
		{2, 0, 10 * time.Second},
		{3, 0, 20 * time.Second},
		{7, 0, 320 * time.Second},
		{8, 0, 10 * time.Minute},
		{1 << 30, 0, 10 * time.Minute},
		{8, 0.5, 10*time.Minute - 75*time.Second},
	} {
		if got := retry(c.failures, c.r); got != c.want {
			t.Errorf("after %d: %v, want %v", c.failures, got, c.want)
		}
	}
}
