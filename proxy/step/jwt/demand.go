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
	// maxWaitingFirst is that for the first fetch of all, which not tokens have
	// caused but the start: it is as if the gateway had begun to listen later.
	maxWaitingFirst = 16 << 10
)

// demand is how exchanges ask a keeper for fresh keys. Its zero value serves a
// source that has no keeper: nobody waits for it.
type demand struct {
	mu      sync.Mutex
	asked   chan struct{} // of capacity 1, tells the keeper; nil without one
	pending chan struct{} // closed when the fetch is over; nil when there is none
	begun   bool          // whether the pending fetch is under way
	first   bool          // whether it is the first of all
	waiting int
	next    time.Duration // monotonic, before which nobody may ask again
}

// expect has those who come before the keeper wait for its first fetch.
func (d *demand) expect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked, d.pending, d.first = make(chan struct{}, 1), make(chan struct{}), true
}

// expected reports whether the first fetch is still to come, or under way.
func (d *demand) expected() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.first
}

// serve makes the caller the keeper, until quit.
func (d *demand) serve() (asked <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked == nil {
		d.asked = make(chan struct{}, 1)
	}
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
		d.pending, d.begun, d.first, d.waiting = nil, false, false, 0
	}
}

// ask wants fresh keys at a monotonic time. It returns what is closed when they
// may have come, and nil when there is nothing to wait for. begun says that the
// fetch was under way already: it may bring the keys of before.
func (d *demand) ask(now time.Duration) (fresh <-chan struct{}, begun bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	most := maxWaiting
	if d.first {
		most = maxWaitingFirst
	}
	if d.asked == nil || d.waiting >= most {
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
