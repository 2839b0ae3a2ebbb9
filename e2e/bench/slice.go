package main

import (
	"slices"
	"time"
)

// answer is one request that was answered.
type answer struct {
	due  time.Duration // since the start
	took time.Duration
}

// A slice is long enough for a percentile of its own to mean something.
const (
	shortestSlice = 100 * time.Millisecond
	leastInSlice  = 500 // requests
)

// summarize returns what the answers at a rate say. A single stall of 10 ms, in
// which the host gave the CPU to somebody else say, is enough to be the p99 of a
// second; so the p99 is taken of each slice of time, too, and the slice in the
// middle tells what a quiet moment is like.
func summarize(all []answer, rate int) load {
	length := max(shortestSlice, time.Second*leastInSlice/time.Duration(rate))
	took := make([]time.Duration, len(all))
	var sliced [][]time.Duration
	for n, a := range all {
		took[n] = a.took
		at := int(a.due / length)
		for len(sliced) <= at {
			sliced = append(sliced, nil)
		}
		sliced[at] = append(sliced[at], a.took)
	}
	if last := len(sliced) - 1; last > 0 && len(sliced[last]) < len(sliced[0])/2 {
		sliced = sliced[:last] // not a whole one
	}
	tails := make([]time.Duration, 0, len(sliced))
	for _, s := range sliced {
		if len(s) > 0 {
			tails = append(tails, percentile(s, 99))
		}
	}
	return load{
		Requests: len(all),
		P50:      percentile(took, 50), P99: percentile(took, 99),
		Slice99: percentile(tails, 50),
	}
}

// percentile sorts what it is given.
func percentile(all []time.Duration, percent int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)*percent/100, len(all)-1)]
}
