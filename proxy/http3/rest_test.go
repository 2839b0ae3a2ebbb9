package http3

import (
	"testing"
	"time"
)

// TestRest: a client that is told to go has time to read its last response, and one that
// has none to read goes soon.
func TestRest(t *testing.T) {
	const idle = time.Minute
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		leaving bool
		ago     time.Duration // since the last response; below 0 for none
		want    time.Duration
	}{
		{false, -1, idle},
		{false, 0, idle},
		{true, -1, parting},
		{true, 0, hearing},
		{true, time.Second, hearing - time.Second},
		{true, hearing - parting, parting},
		{true, time.Hour, parting},
	} {
		var last time.Time
		if c.ago >= 0 {
			last = now.Add(-c.ago)
		}
		if got := rest(idle, c.leaving, last, now); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if got := rest(0, false, now, now); got != 0 {
		t.Errorf("without a bound: %v", got)
	}
}
