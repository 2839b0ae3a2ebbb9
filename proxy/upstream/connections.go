package upstream

import (
	"io"
	"sync"
	"sync/atomic"
)

// Slots is how many kinds of connections an endpoint can hold, one for each
// engine or transport that dials it. Whoever assembles the gateway hands the
// numbers out.
const Slots = 4

// connections holds what engines keep for an endpoint.
type connections struct {
	slot   [Slots]atomic.Pointer[io.Closer]
	mu     sync.Mutex // serialises writes to slot and guards closed
	closed bool
}

// Connections returns what was attached to the slot, nil when nothing was.
func (e *Endpoint) Connections(slot int) io.Closer {
	if c := e.slots.slot[slot].Load(); c != nil {
		return *c
	}
	return nil
}

// LoadOrAttach returns what was attached to the slot, and when nothing was,
// attaches what open makes. Open runs at most once for a slot and must not
// call back into the endpoint's connections.
//
// What is attached is closed exactly once, when the endpoint retires. Call it
// while an Attempt holds the endpoint: then it cannot retire meanwhile. On an
// endpoint that has retired already, a newly made value is closed at once and
// returned. A value must therefore tolerate use after Close, as a connection
// that is handed back late: it closes what it is given.
func (e *Endpoint) LoadOrAttach(slot int, open func(*Endpoint) io.Closer) io.Closer {
	c := &e.slots
	if got := c.slot[slot].Load(); got != nil {
		return *got
	}
	c.mu.Lock()
	if got := c.slot[slot].Load(); got != nil {
		c.mu.Unlock()
		return *got
	}
	made := open(e)
	c.slot[slot].Store(&made)
	closed := c.closed
	c.mu.Unlock()
	if closed {
		_ = made.Close() // nothing was sent over it, so nothing is lost
	}
	return made
}

// close closes all that is attached, and what will be.
func (c *connections) close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	var found [Slots]io.Closer
	for i := range c.slot {
		if p := c.slot[i].Load(); p != nil {
			found[i] = *p
		}
	}
	c.mu.Unlock()
	for _, f := range found {
		if f != nil {
			_ = f.Close() // idle connections of an instance that is gone
		}
	}
}
