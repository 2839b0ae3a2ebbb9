package limits

import (
	"testing"
	"time"
)

func TestClockStartsAtTheSystemsTime(t *testing.T) {
	before := time.Now()
	c := NewClock()
	now := c.Now()
	if now.Mono < 0 {
		t.Errorf("mono %s", now.Mono)
	}
	if wall := time.Unix(0, int64(now.Wall)); wall.Before(before.Round(0)) {
		t.Errorf("wall %s is before %s", wall, before)
	}
	if later := c.Now(); later.Mono < now.Mono || later.Wall-now.Wall != later.Mono-now.Mono {
		t.Errorf("%+v, then %+v", now, later)
	}
}

// TestClockAnchor steps the system's clock: forward is followed beyond a second,
// backward never.
func TestClockAnchor(t *testing.T) {
	c := NewClock()
	began, start := c.start.UnixNano(), c.At(0).Wall
	for _, step := range []struct {
		system time.Duration // how far the system's clock has been moved in all
		want   time.Duration // how far Wall has followed
	}{
		{0, 0},
		{time.Second, 0},
		{-time.Hour, 0},
		{time.Second + 1, time.Second + 1},
		{time.Hour, time.Hour},
		{time.Hour + time.Second, time.Hour},
		{0, time.Hour},
	} {
		// As if the clock had been made at this very moment, so that no
		// monotonic time has passed while the system's clock was moved.
		c.start = time.Unix(0, began+int64(step.system))
		c.anchor(c.start)
		if got := c.At(0).Wall - start; got != step.want {
			t.Errorf("system %s: wall moved by %s, want %s", step.system, got, step.want)
		}
	}
}

// TestClockAnchorWhileRead has the clock anchored while it is read.
func TestClockAnchorWhileRead(t *testing.T) {
	c := NewClock()
	crowd(func(int) {
		last := c.Now()
		for range 1000 {
			c.Anchor()
			now := c.Now()
			if now.Mono < last.Mono || now.Wall < last.Wall {
				t.Errorf("%+v after %+v", now, last)
				return
			}
			last = now
		}
	})
}
