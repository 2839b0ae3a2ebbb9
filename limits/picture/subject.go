package main

import (
	"time"

	"github.com/lictor/lictor/limits"
)

// A subject is a limit of which there is a picture. All of them let one request
// a second pass in the long run, so that the pictures differ by algorithm alone.
type subject struct {
	file string // name of the picture, without its ending
	name string // of the algorithm
	says string // what a policy says to get it
	// block is what that decodes to.
	block limits.Block
	// promise is how many pass at most in any trailing window, whatever a client
	// does, as docs/limits.md has it.
	promise int
	// edges are a grid of windows to show, or 0.
	edges time.Duration
}

// window is the trailing span in which the pictures count.
const window = 10 * time.Second

func subjects() []subject {
	sliding := func(precision string) *limits.SlidingWindow {
		return &limits.SlidingWindow{Limit: 10, Window: "10s", Precision: precision}
	}
	return []subject{
		{
			file: "token_bucket", name: limits.TokenBucketName, says: `rate = "1/s", burst = 5`,
			block: &limits.TokenBucket{Rate: "1/s", Burst: 5}, promise: 15,
		},
		{
			file: "leaky_bucket", name: limits.LeakyBucketName, says: `rate = "1/s"`,
			block: &limits.LeakyBucket{Rate: "1/s"}, promise: 11,
		},
		{
			file: "leaky_bucket_queue", name: limits.LeakyBucketName, says: `rate = "1/s", queue = 5`,
			block: &limits.LeakyBucket{Rate: "1/s", Queue: 5}, promise: 11,
		},
		{
			file: "fixed_window", name: limits.FixedWindowName, says: `limit = 10, window = "10s"`,
			block: &limits.FixedWindow{Limit: 10, Window: "10s"}, promise: 20, edges: window,
		},
		{
			file: "sliding_window_counter", name: limits.SlidingWindowName, says: `limit = 10, window = "10s", precision = "counter"`,
			block: sliding(limits.PrecisionCounter), promise: 19, edges: window,
		},
		{
			file: "sliding_window_log", name: limits.SlidingWindowName, says: `limit = 10, window = "10s", precision = "log"`,
			block: sliding(limits.PrecisionLog), promise: 10,
		},
		{
			file: "sliding_window_buckets", name: limits.SlidingWindowName, says: `limit = 10, window = "10s", precision = "buckets"`,
			block: sliding(limits.PrecisionBuckets), promise: 10,
		},
	}
}

func (s *subject) heading() string { return s.name + "  " + s.says }
