package limits

import (
	"sync/atomic"
	"time"
)

// Time is one moment on two clocks, read once per request.
type Time struct {
	// Mono is the time since the Clock was made. It never goes back.
	Mono time.Duration
	// Wall is the time since the Unix epoch, in UTC. It equals Mono plus a
	// constant, except where the system's clock was stepped forward.
	Wall time.Duration
}

// Clock reads the time for limiters, logs and deadlines. Wall time is read from
// the system when the clock is made and then carried on by the monotonic clock;
// Anchor follows a system clock that was stepped forward, and ignores one that
// was stepped back, so that a window never repeats.
type Clock struct {
	start  time.Time
	offset atomic.Int64 // Wall - Mono
}

// NewClock starts a clock at the present moment.
func NewClock() *Clock {
	c := &Clock{start: time.Now()}
	c.offset.Store(c.start.UnixNano())
	return c
}

// ResumeClock goes on from a moment of another process's clock that is this very
// moment. The time that the message took is lost to the new clock: it is behind,
// never ahead.
func ResumeClock(at Time) *Clock {
	c := &Clock{start: time.Now().Add(-at.Mono)}
	c.offset.Store(int64(at.Wall - at.Mono))
	return c
}

// Now reads the clock.
func (c *Clock) Now() Time {
	return c.At(time.Since(c.start))
}

// At completes a monotonic reading with its wall time.
func (c *Clock) At(mono time.Duration) Time {
	return Time{Mono: mono, Wall: mono + time.Duration(c.offset.Load())}
}

// Anchor compares the clock with the system's and moves Wall forward when the
// system is more than a second ahead. Call it every few seconds.
func (c *Clock) Anchor() { c.anchor(time.Now()) }

func (c *Clock) anchor(now time.Time) {
	ahead := now.UnixNano() - int64(now.Sub(c.start))
	for {
		offset := c.offset.Load()
		if ahead-offset <= int64(time.Second) || c.offset.CompareAndSwap(offset, ahead) {
			return
		}
	}
}

// Time returns the system's notion of a moment of this clock, with a monotonic
// reading, for code that works with time.Time.
func (c *Clock) Time(mono time.Duration) time.Time { return c.start.Add(mono) }
