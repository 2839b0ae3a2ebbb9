package main

import (
	"testing"
	"time"
)

// TestLateness: the share of wake-ups that were late is the share of time that
// the CPU was away, however long each absence was.
func TestLateness(t *testing.T) {
	var l lateness
	for range 89 {
		l.add(50 * time.Microsecond)
	}
	l.add(-time.Millisecond) // woken too early
	l.add(time.Millisecond)
	l.add(85 * time.Millisecond) // and eight more fell into that
	if l.asked != 100 || l.missed != 10 || l.percent() != 10 || l.longest != 85*time.Millisecond {
		t.Errorf("%+v, %.1f %%", l, l.percent())
	}
	if w := l.worse(lateness{asked: 100, missed: 3}); w != l {
		t.Errorf("worse: %+v", w)
	}
	if w := (lateness{}).worse(l); w != l {
		t.Errorf("worse: %+v", w)
	}
}
