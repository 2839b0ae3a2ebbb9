package fleet

import (
	"fmt"
	"math"
	"time"

	"github.com/lictor/lictor/limits"
)

// Share is the part of one gateway: one in so many. The zero value is the whole,
// as for a gateway that is alone.
type Share struct {
	// Gateways is how many there are; 0 is the same as 1.
	Gateways int
	// Rank is the gateway's place among them, from 0 to Gateways-1. No two have
	// the same, and what a division leaves over goes to the lowest.
	Rank int
}

// String says it as "1 of 3".
func (s Share) String() string { return fmt.Sprintf("1 of %d", s.gateways()) }

func (s Share) gateways() int64 { return int64(max(1, s.Gateways)) }

// part is this gateway's of n units. The parts of all add up to n.
func (s Share) part(n int64) int64 {
	all := s.gateways()
	if int64(s.Rank) < n%all {
		return n/all + 1
	}
	return n / all
}

// Of is this gateway's part of a limit of which each request takes cost units, at
// least 1. Over all ranks the parts grant what the limit does, but for the burst
// of a bucket that does not hold a request's cost for every gateway.
func (s Share) Of(whole limits.Spec, cost int64) limits.Spec {
	if s.gateways() == 1 {
		return whole
	}
	cost = max(1, cost)
	switch w := whole.(type) {
	case limits.TokenBucketSpec:
		w.Burst = max(cost, s.part(w.Burst))
		w.Rate = s.slower(w.Rate, w.Burst)
		return w
	case limits.LeakyBucketSpec:
		w.Burst = max(cost, s.part(w.Burst))
		w.Rate = s.slower(w.Rate, w.Burst)
		if w.Queue > 0 { // the one that need not wait is a part of the burst
			w.Queue = w.Burst - 1
			w.Immediate = min(w.Queue, max(1, s.part(w.Immediate+1))-1)
		}
		return w
	case limits.FixedWindowSpec:
		w.Limit, w.Window = s.window(w.Limit, w.Window, cost)
		return w
	case limits.SlidingWindowSpec:
		w.Limit, w.Window = s.window(w.Limit, w.Window, cost)
		return w
	}
	return whole
}

// Divisible reports whether a limit is of a kind that has parts. Of another one
// every share is the whole.
func Divisible(whole limits.Spec) bool {
	switch whole.(type) {
	case limits.TokenBucketSpec, limits.LeakyBucketSpec, limits.FixedWindowSpec, limits.SlidingWindowSpec:
		return true
	}
	return false
}

// slower is a rate's part: as many units in as many windows as there are
// gateways. A part that would be slower than limits can tell is as slow as they
// can.
func (s Share) slower(r limits.Rate, burst int64) limits.Rate {
	slowest := limits.Longest / time.Duration(burst) // for one unit
	window, ok := limits.Rate{Count: 1, Window: r.Window}.Span(s.gateways())
	part := limits.Rate{Count: r.Count, Window: window}
	if !ok || part.Interval() > slowest {
		return limits.Rate{Count: 1, Window: slowest}
	}
	return part
}

// window is a part of so many units in a window. One that does not hold a
// request is longer instead, the same for all: then it holds one.
func (s Share) window(limit int64, window time.Duration, cost int64) (int64, time.Duration) {
	all := s.gateways()
	if limit/all >= cost {
		return s.part(limit), window
	}
	if cost > math.MaxInt64/all {
		return cost, limits.Longest
	}
	longer, ok := limits.Rate{Count: limit, Window: window}.Span(cost * all)
	if !ok {
		longer = limits.Longest
	}
	return cost, longer
}
