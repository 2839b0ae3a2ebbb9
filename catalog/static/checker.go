package static

import (
	"context"
	"math/rand/v2"
	"time"
)

// result is what a checker tells the owner.
type result struct {
	from *checker
	err  error // nil for a success
}

// checker pings one instance.
type checker struct {
	target string
	check  Check
	ping   func(ctx context.Context, target string, c Check) error
	emit   func(context.Context, result)
}

// run pings at once and then at every interval, give or take a tenth so that
// the pings of many instances and gateways do not fall together, until ctx is
// done.
func (c *checker) run(ctx context.Context) {
	for {
		start := time.Now()
		one, cancel := context.WithTimeout(ctx, c.check.Timeout)
		err := c.ping(one, c.target, c.check)
		cancel()
		if ctx.Err() != nil {
			return
		}
		c.emit(ctx, result{from: c, err: err})
		timer := time.NewTimer(pause(c.check.Interval, chance()) - time.Since(start))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// chance returns a random number in [0, 1).
func chance() float64 {
	return rand.Float64() //nolint:gosec // it spreads load over time, and guards nothing
}

// pause returns the interval give or take a tenth; r is a random number in
// [0, 1).
func pause(interval time.Duration, r float64) time.Duration {
	return interval + time.Duration((r-0.5)/5*float64(interval))
}
