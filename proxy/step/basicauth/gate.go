package basicauth

import (
	"context"
	"errors"
	"net/netip"
	"sync"
)

// Bounds on hashing.
const (
	// MaxHashing is how many passwords are hashed at once at most; on small
	// machines it is half of the processors.
	MaxHashing = 8
	// MaxWaiting is how many wait for their turn.
	MaxWaiting = 256
	// MaxFromOne is how many of those come from one address, or one /64 of IPv6.
	MaxFromOne = 8
)

var (
	errFull    = errors.New("too many passwords are being verified")
	errFullOne = errors.New("too many passwords of this address are being verified")
)

// gate lets a few work at a time, and a bounded number wait.
type gate struct {
	slots chan struct{}

	mu      sync.Mutex
	waiting int // and working
	from    map[netip.Addr]int
}

func newGate(slots int) *gate {
	return &gate{slots: make(chan struct{}, slots), from: map[netip.Addr]int{}}
}

// network is what counts as one client: whoever has an address of IPv6 has a /64
// of them.
func network(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a.Unmap()
}

// enter waits for a turn until ctx is done. Without an error, leave must follow.
func (g *gate) enter(ctx context.Context, client netip.Addr) error {
	client = network(client)
	g.mu.Lock()
	switch {
	case g.waiting >= MaxWaiting+cap(g.slots):
		g.mu.Unlock()
		return errFull
	case g.from[client] >= MaxFromOne:
		g.mu.Unlock()
		return errFullOne
	}
	g.waiting++
	g.from[client]++
	g.mu.Unlock()
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		g.forget(client)
		return context.Cause(ctx)
	}
}

// leave gives the turn back.
func (g *gate) leave(client netip.Addr) {
	<-g.slots
	g.forget(network(client))
}

func (g *gate) forget(client netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting--
	if g.from[client]--; g.from[client] <= 0 {
		delete(g.from, client)
	}
}
