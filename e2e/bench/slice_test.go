package main

import (
	"testing"
	"time"
)

// TestStallMovesOneSlice: one long stall makes the p99 of everything, not that of
// the slice in the middle.
func TestStallMovesOneSlice(t *testing.T) {
	const rate = 10_000
	var all []answer
	for n := range 2 * rate {
		a := answer{due: time.Second * time.Duration(n) / rate, took: time.Millisecond}
		if n%50 == 0 { // 2 %
			a.took = 2 * time.Millisecond
		}
		if a.due >= time.Second && a.due < time.Second+50*time.Millisecond { // 2.5 %
			a.took = 40 * time.Millisecond
		}
		all = append(all, a)
	}
	l := summarize(all, rate)
	if l.Requests != 2*rate || l.P50 != time.Millisecond || l.P99 != 40*time.Millisecond || l.Slice99 != 2*time.Millisecond {
		t.Errorf("%+v", l)
	}
}

// TestSlicesAtLowRates are longer, and what is left at the end is not one of them.
func TestSlicesAtLowRates(t *testing.T) {
	const rate = 100 // so slices of 5 s
	var all []answer
	for n := range 1100 {
		a := answer{due: time.Second * time.Duration(n) / rate, took: time.Millisecond}
		if n >= 1000 {
			a.took = time.Second
		}
		all = append(all, a)
	}
	if l := summarize(all, rate); l.Slice99 != time.Millisecond {
		t.Errorf("%+v", l)
	}
	if l := summarize(all[1099:], rate); l.Slice99 != time.Second || l.P99 != time.Second || l.Requests != 1 {
		t.Errorf("of one answer: %+v", l)
	}
}
