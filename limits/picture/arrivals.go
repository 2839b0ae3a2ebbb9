package main

import "time"

// span is how much time a picture shows.
const span = 60 * time.Second

// A phase is a number of requests at an even distance.
type phase struct {
	name  string
	start time.Duration
	every time.Duration
	count int
}

// phases are what every limiter is asked: traffic within the limit, a burst after
// a pause, one that lies across an edge of the fixed windows, and more than may
// pass for longer than a window.
func phases() []phase {
	return []phase{
		{name: "steady, 0.8/s", start: time.Second, every: 1250 * time.Millisecond, count: 8},
		{name: "15 in a second", start: 13 * time.Second, every: 65 * time.Millisecond, count: 15},
		{name: "24 around 0:30", start: 28500 * time.Millisecond, every: 125 * time.Millisecond, count: 24},
		{name: "too many, 2/s", start: 40 * time.Second, every: 500 * time.Millisecond, count: 40},
	}
}

// arrivals are the moments of all requests, in their order.
func arrivals() []time.Duration {
	var all []time.Duration
	for _, p := range phases() {
		for i := range p.count {
			all = append(all, p.start+time.Duration(i)*p.every)
		}
	}
	return all
}
