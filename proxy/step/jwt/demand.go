package jwt

import (
	"sync"
	"time"
)

// Bounds on what tokens of unknown keys can cause.
const (
	// minRefetch is the least time between two fetches that tokens ask for.
	minRefetch = 10 * time.Second
	// maxWaiting is how many exchanges wait for one fetch; more don't wait.
	maxWaiting = 256
)

// demand is how exchanges ask a keeper for fresh keys. Its zero value serves a
// source that has no keeper: nobody waits for it.
type demand struct {
	mu      sync.Mutex
	asked   chan struct{} // of capacity 1, tells the keeper; nil without one
	pending chan struct{} // closed when the fetch is over; nil when there is none
	begun   bool          // whether the pending fetch is under way
	waiting int
	next    time.Duration // monotonic, before which nobody may ask again
}

// serve makes the caller the keeper, until quit.
func (d *demand) serve() (asked <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = make(chan struct{}, 1)
	return d.asked
}

// quit ends the keeper's service. Those who wait go on.
func (d *demand) quit() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = nil
	d.end()
}

// begin says that a fetch begins, which serves whoever has asked.
func (d *demand) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.asked:
	default:
	}
	if d.pending == nil {
		d.pending = make(chan struct{})
	}
	d.begun = true
}

// done says that the fetch is over, and wakes those who wait.
func (d *demand) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end()
}

func (d *demand) end() {
	if d.pending != nil {
		close(d.pending)
		d.pending, d.begun, d.waiting = nil, false, 0
	}
}

// ask wants fresh keys at a monotonic time. It returns what is closed when they
// may have come, and nil when there is nothing to wait for. begun says that the
// fetch was under way already: it may bring the keys of before.
func (d *demand) ask(now time.Duration) (fresh <-chan struct{}, begun bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked == nil || d.waiting >= maxWaiting {
		return nil, false
	}
	if d.pending == nil {
		if now < d.next {
			return nil, false
		}
		d.next = now + minRefetch
		d.pending = make(chan struct{})
		select {
		case d.asked <- struct{}{}:
		default: // the keeper has been told
		}
	}
	d.waiting++
	return d.pending, d.begun
}
