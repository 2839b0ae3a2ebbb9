package breaker

import (
	"sync"
	"sync/atomic"
	"time"
)

// How a Breaker opens.
const (
	// FailuresToOpen in a row open it.
	FailuresToOpen = 5
	// FirstPause is how long it is open then. Every probe that fails doubles that.
	FirstPause = 100 * time.Millisecond
)

// Breaker says who may call. The zero value is closed, with pauses of FirstPause. It
// is safe for use by several goroutines and must not be copied.
type Breaker struct {
	// LongestPause bounds the time between two probes. Set it before use; less than
	// FirstPause is FirstPause.
	LongestPause time.Duration

	// state is even while closed and odd while open. It goes up whenever that
	// changes, and with every probe, so that a pass of another state is told apart.
	state atomic.Uint64

	mu       sync.Mutex
	failures int           // in a row, while closed
	pause    time.Duration // 0 while closed
	until    time.Duration // when the next probe may go
	probing  bool
}

// Pass lets one call through. Who holds it says once how the call ended, by Done or
// by Forget. A call that comes back when the Breaker has changed since, or has
// another probe out, changes nothing.
type Pass struct{ state uint64 }

// Allow reports whether a call may be made at a monotonic time, and hands out the
// pass for it. While open, only one call at a time may, when the pause is over.
func (b *Breaker) Allow(now time.Duration) (Pass, bool) {
	if s := b.state.Load(); s%2 == 0 {
		return Pass{s}, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pause == 0 {
		return Pass{b.state.Load()}, true
	}
	if b.probing || now < b.until {
		return Pass{}, false
	}
	b.probing = true
	return Pass{b.state.Add(2)}, true
}

// Done says at a monotonic time how the call of a pass ended. It reports whether that
// opened or closed the Breaker.
func (b *Breaker) Done(now time.Duration, p Pass, failed bool) (turned bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case p.state != b.state.Load():
		return false
	case b.pause == 0:
		return b.counted(now, failed)
	case !b.probing:
		return false
	}
	b.probing = false
	if failed {
		b.pause = max(FirstPause, min(2*b.pause, b.LongestPause))
		b.until = now + b.pause
		return false
	}
	b.pause = 0
	b.state.Add(1)
	return true
}

// counted counts a call that was made while closed.
func (b *Breaker) counted(now time.Duration, failed bool) (turned bool) {
	if !failed {
		b.failures = 0
		return false
	}
	if b.failures++; b.failures < FailuresToOpen {
		return false
	}
	b.failures, b.pause, b.until = 0, FirstPause, now+FirstPause
	b.state.Add(1)
	return true
}

// Forget ends a call of which nothing was learnt, since nobody waited for its end.
// If it was the probe, another may go at once.
func (b *Breaker) Forget(p Pass) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.state == b.state.Load() {
		b.probing = false
	}
}

// Open reports whether calls are held back.
func (b *Breaker) Open() bool { return b.state.Load()%2 == 1 }
