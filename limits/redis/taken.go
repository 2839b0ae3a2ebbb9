package redis

import (
	"sync"
	"time"
)

// keeper is who charged a request.
type keeper uint8

const (
	byStore keeper = iota + 1 // and knows it by the moment at
	byLease
	byLocal
)

// charge is one request that was charged.
type charge struct {
	digest digest
	now    time.Duration // of the request
	keeper keeper
	at     int64 // the store's moment of the charge, nanoseconds
}

// taken remembers the charges of late, so that a refund is made where the charge
// was made, and as of then: given back a moment later, it might be given back to
// a window that was never charged. A refund comes at once or not at all, so a few
// are enough; one that is not found is not given back, which grants nothing.
type taken struct {
	mu   sync.Mutex
	next int
	ring [1024]charge
}

func (t *taken) add(c charge) {
	t.mu.Lock()
	t.ring[t.next] = c
	t.next = (t.next + 1) % len(t.ring)
	t.mu.Unlock()
}

// remove returns the latest charge of a key by a request.
func (t *taken) remove(d digest, now time.Duration) charge {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.ring {
		c := &t.ring[(t.next-1-i+2*len(t.ring))%len(t.ring)]
		if c.keeper != 0 && c.now == now && c.digest == d {
			found := *c
			*c = charge{}
			return found
		}
	}
	return charge{}
}
