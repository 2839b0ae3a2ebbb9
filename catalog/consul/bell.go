package consul

import (
	"context"
	"sync"
)

// bell wakes any number of waiting goroutines at once. It must be made by
// newBell.
type bell struct {
	mu   sync.Mutex
	ctx  context.Context //nolint:containedctx // it is the signal itself, replaced at each ring, and carries nothing
	ring func()
}

func newBell() *bell {
	b := &bell{}
	b.ctx, b.ring = context.WithCancel(context.Background())
	return b
}

// heard returns a context that is done at the next ring.
func (b *bell) heard() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ctx
}

// strike wakes everyone who waits now.
func (b *bell) strike() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ring()
	b.ctx, b.ring = context.WithCancel(context.Background())
}
