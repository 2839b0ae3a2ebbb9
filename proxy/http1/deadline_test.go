package http1

import (
	"testing"
	"time"
)

// TestAlarm is a script of waits on one connection.
func TestAlarm(t *testing.T) {
	var a alarm
	for i, c := range []struct {
		now, within time.Duration
		moved       bool
		at          time.Duration
	}{
		{0, 0, false, 0}, // never was, is not now
		{time.Second, 8 * time.Second, true, 10 * time.Second},                     // an eighth later than asked for
		{time.Second, 8 * time.Second, false, 10 * time.Second},                    // still fits
		{2 * time.Second, 8 * time.Second, false, 10 * time.Second},                // just
		{2*time.Second + 1, 8 * time.Second, true, 11*time.Second + 1},             // would strike too early
		{3 * time.Second, time.Second, true, 4*time.Second + 125*time.Millisecond}, // would strike too late
		{3 * time.Second, time.Hour, true, 3*time.Second + time.Hour + maxSlack},   // never much later
		{4 * time.Second, 0, true, 0},
		{5 * time.Second, 0, false, 0},
	} {
		at, moved := a.move(c.now, c.within)
		if moved != c.moved || a.at != c.at {
			t.Errorf("step %d: moved %v to %v, want %v, %v", i, moved, a.at, c.moved, c.at)
		}
		if moved && at.IsZero() != (c.within == 0) {
			t.Errorf("step %d: the deadline is %v", i, at)
		}
	}
	a.lost()
	if _, moved := a.move(6*time.Second, 0); !moved {
		t.Error("a deadline that somebody else may have set was left")
	}
}
