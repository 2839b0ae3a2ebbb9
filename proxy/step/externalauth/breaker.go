package externalauth

import (
	"sync"
	"time"
)

// How the breaker opens and closes.
const (
	failuresToOpen = 5
	firstPause     = 100 * time.Millisecond
	longestPause   = 2 * time.Second
)

// breaker keeps requests from waiting for a service that is not there. After so
// many failures in a row it is open for a pause; then one question may be asked, and
// closes it or opens it for longer. The zero value is closed.
type breaker struct {
	mu       sync.Mutex
	failures int
	pause    time.Duration // 0 while closed
	until    time.Duration // monotonic
	probing  bool
}

// allow reports whether a question may be asked at a monotonic time. Who is allowed
// says by done or forget how that ended.
func (b *breaker) allow(now time.Duration) bool {
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

// done says whether the service was there. It reports whether that opened or closed
// the breaker.
func (b *breaker) done(now time.Duration, failed bool) (turned bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.pause
	switch {
	case !failed && (was == 0 || b.probing):
		b.failures, b.pause, b.probing = 0, 0, false
	case !failed: // from before it opened
	case was == 0:
		if b.failures++; b.failures >= failuresToOpen {
			b.pause, b.until = firstPause, now+firstPause
		}
	case b.probing:
		b.probing = false
		b.pause = min(2*b.pause, longestPause)
		b.until = now + b.pause
	}
	return (was == 0) != (b.pause == 0)
}

// forget ends a question of which nothing was learnt, since its client went away.
func (b *breaker) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}
