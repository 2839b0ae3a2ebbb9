package catalog

import (
	"context"
	"sync"
)

// Feed carries snapshots from one source to one follower. The latest wins: a
// slow follower skips what came in between and never holds the source up. The
// zero value is ready to use.
type Feed struct {
	mu     sync.Mutex
	latest *Snapshot
	fresh  chan struct{} // buffered, one token while latest has not been taken
}

func (f *Feed) signal() chan struct{} {
	if f.fresh == nil {
		f.fresh = make(chan struct{}, 1)
	}
	return f.fresh
}

// Publish makes s the newest snapshot. It never blocks.
func (f *Feed) Publish(s *Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latest = s
	select {
	case f.signal() <- struct{}{}:
	default:
	}
}

// Next waits for a snapshot that has not been returned yet and returns the
// newest one. The error is ctx's.
func (f *Feed) Next(ctx context.Context) (*Snapshot, error) {
	f.mu.Lock()
	fresh := f.signal()
	f.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-fresh:
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.latest, nil
	}
}
