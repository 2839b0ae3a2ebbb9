package redis

import (
	"sync"
	"sync/atomic"
	"time"
)

// How the breaker opens and closes.
const (
	failuresToOpen = 5
	firstPause     = 100 * time.Millisecond
	longestPause   = time.Second
)

// breaker keeps requests from waiting for a store that does not answer. It is
// closed until failuresToOpen calls in a row have failed. Then it is open for a
// pause, and half open when that is over: one call may try, and either closes it
// or opens it for a longer pause. The zero value is closed.
type breaker struct {
	opened atomic.Bool

	mu       sync.Mutex
	failures int           // in a row, while closed
	pause    time.Duration // 0 while closed
	until    time.Duration // when the next probe may go
	probing  bool
}

// allow reports whether a call may be made at the moment. Who is allowed has to
// say how it ended, by done.
func (b *breaker) allow(now time.Duration) bool {
	if !b.opened.Load() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pause == 0 {
		return true
	}
	if b.probing || now < b.until {
		return false
	}
	b.probing = true
	return true
}

// done says how a call ended. It reports whether that opened or closed the
// breaker.
func (b *breaker) done(now time.Duration, failed bool) (turned bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.pause
	switch {
	case !failed && (was == 0 || b.probing):
		b.failures, b.pause, b.probing = 0, 0, false
	case !failed: // a call from before it opened came back late
	case was == 0:
		if b.failures++; b.failures >= failuresToOpen {
			b.pause, b.until = firstPause, now+firstPause
		}
	case b.probing:
		b.probing = false
		b.pause = min(2*b.pause, longestPause)
		b.until = now + b.pause
	}
	b.opened.Store(b.pause > 0)
	return (was == 0) != (b.pause == 0)
}

// open reports whether calls are held back.
func (b *breaker) open() bool { return b.opened.Load() }
