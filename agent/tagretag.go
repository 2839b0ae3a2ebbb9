package agent

import (
	"context"
	"time"
)

const (
	// retagFloor is the least time between two times that tags are taken up. It is
	// longer where that takes long: who changes his tags all the time shall not keep
	// a processor busy.
	retagFloor = 200 * time.Millisecond
	retagShare = 4
)

// retag has routes and the catalog follow the tags until ctx is done.
func (a *Agent) retag(ctx context.Context) {
	t := a.tags
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.dirty:
		}
		begun := time.Now()
		a.refollow()
		t.mu.Lock()
		changed, input, marks, snap := t.recount || len(t.pending) > 0, t.input, t.marks, t.snap
		t.recount = false
		t.mu.Unlock()
		if !changed {
			continue
		}
		t.refusal.Store(nil)
		a.set.Ahead(snap) // from the moment on that anybody may make pools for the new routes
		if set := t.rebuild(a, input); !set.same(a.current.Load().tags) {
			_, _ = a.Reload() // it has logged what is wrong
		}
		if !t.latest.Load().same(a.current.Load().tags) {
			snap = nil
		}
		t.release(a, marks, snap)
		a.set.Ahead(nil)
		rest := time.NewTimer(max(retagFloor, retagShare*time.Since(begun)))
		select {
		case <-ctx.Done():
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}
