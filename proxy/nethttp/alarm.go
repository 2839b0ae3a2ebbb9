package nethttp

import (
	"sync"
	"time"
)

// alarm bounds one wait after the other. When it strikes it asks whether to go
// on. The zero value is one that is not set; ask and end must be set before
// start, and are called with mu held.
type alarm struct {
	// ask returns how much longer the wait may take, 0 or less for no longer.
	ask func() time.Duration
	end func()

	mu     sync.Mutex
	timer  *time.Timer
	set    bool
	struck bool
}

// start bounds a wait that begins.
func (a *alarm) start(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set = true
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.strike)
		return
	}
	a.timer.Reset(d)
}

// stop ends the wait. It reports whether that was in time.
func (a *alarm) stop() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.set {
		a.set = false
		a.timer.Stop()
	}
	return !a.struck
}

func (a *alarm) strike() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.set {
		return
	}
	if d := a.ask(); d > 0 {
		a.timer.Reset(d)
		return
	}
	a.set, a.struck = false, true
	a.end()
}
