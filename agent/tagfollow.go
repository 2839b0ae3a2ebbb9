package agent

import (
	"maps"
	"slices"
	"strings"

	"github.com/lictor/lictor/agent/fabio"
	"github.com/lictor/lictor/catalog"
)

// find takes in which services have tags by the list of all services.
func (t *tagRoutes) find(names []string) {
	t.mu.Lock()
	t.found = make(map[string]bool, len(names))
	for _, n := range names {
		// Names with marks stand for something else: a service in the mesh or in
		// another datacenter, or what a prepared query finds.
		if !strings.Contains(n, "@") {
			t.found[n] = true
		}
	}
	t.sortOutLocked()
	t.mu.Unlock()
	t.poke()
}

// sortOutLocked decides which services are followed for their tags. Who is followed
// already is not crowded out by others.
func (t *tagRoutes) sortOutLocked() {
	before := slices.Clone(t.asked)
	t.asked = slices.DeleteFunc(t.asked, func(n string) bool {
		if t.found[n] {
			return false
		}
		if t.snap == nil {
			return true
		}
		v := t.snap.Services[n]
		return v == nil || !slices.ContainsFunc(v.Instances, func(in catalog.Instance) bool { return slices.ContainsFunc(in.Tags, fabio.Is) })
	})
	t.over = 0
	for _, n := range slices.Sorted(maps.Keys(t.found)) {
		switch {
		case slices.Contains(t.asked, n):
		case len(t.asked) >= fabio.MaxServices:
			t.over++
		default:
			t.asked = append(t.asked, n)
		}
	}
	t.stale = t.stale || !slices.Equal(before, t.asked)
}

// refollow tells the source of the services that are followed for their tags.
func (a *Agent) refollow() {
	t := a.tags
	t.mu.Lock()
	stale := t.stale
	t.stale = false
	t.mu.Unlock()
	if !stale {
		return
	}
	a.reloading.Lock() // which follows too, for another generation
	defer a.reloading.Unlock()
	g := a.current.Load()
	for _, s := range a.sources {
		s.Follow(s.asked(g))
	}
}
