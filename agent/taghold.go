package agent

import (
	"maps"

	"github.com/lictor/lictor/catalog"
)

// applyTo takes in what the catalog says now, and has the pools know it, but for the
// services that wait for their routes.
func (t *tagRoutes) applyTo(a *Agent, s *source, snap *catalog.Snapshot) {
	t.applying.Lock()
	defer t.applying.Unlock()
	a.apply(s, t.take(s, snap))
}

// take takes in what the catalog says now, and returns what of it the pools may know.
func (t *tagRoutes) take(s *source, snap *catalog.Snapshot) *catalog.Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.source, t.snap = s, snap
	t.sortOutLocked()
	t.input = FabioServices(snap.Services, t.asked)
	gone := maps.Clone(t.marks) // which retag may hold
	t.marks = make(map[string]string, len(t.input))
	for i := range t.input {
		v := &t.input[i]
		now := mark(v)
		if before, known := gone[v.Name]; !known || before != now {
			t.pending[v.Name] = true
		}
		t.marks[v.Name] = now
		delete(gone, v.Name)
	}
	for name := range gone {
		t.pending[name] = true
	}
	if now := balance(t.input); now != t.balance {
		t.balance, t.recount = now, true
	}
	if t.stale || t.recount || len(t.pending) > 0 {
		t.poke()
	}
	return t.holdLocked(snap, s.applied.Load())
}

// holdLocked leaves services whose tags are not taken up yet as they are in the first
// of the others that has them: in what the routes are made of, or the pools know.
func (t *tagRoutes) holdLocked(snap *catalog.Snapshot, before ...*catalog.Snapshot) *catalog.Snapshot {
	for name := range t.pending {
		if snap.Services[name] == nil {
			continue
		}
		for _, b := range before {
			if b != nil && b.Services[name] != nil {
				snap = snap.With(b.Services[name])
				break
			}
		}
	}
	return snap
}

// release lets the pools know of the services whose tags have been taken up, or
// refused, as they were when they had these marks. Those that have changed since are
// for the pools as in the snapshot that the routes are made of, nil when those of
// before stay.
func (t *tagRoutes) release(a *Agent, marks map[string]string, taken *catalog.Snapshot) {
	t.applying.Lock()
	defer t.applying.Unlock()
	t.mu.Lock()
	for name := range t.pending {
		was, known := marks[name]
		if now, still := t.marks[name]; known == still && was == now {
			delete(t.pending, name)
		}
	}
	s := t.source
	snap := t.holdLocked(t.snap, taken, s.applied.Load())
	t.mu.Unlock()
	a.apply(s, snap)
}
