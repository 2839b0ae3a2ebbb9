package upstream

import (
	"slices"
	"strings"

	"github.com/lictor/lictor/catalog"
)

// resolve returns what the first source that has the service registered says of
// it; failing that, what the first one says that knows it at all. It is nil
// when none does. The caller holds s.mu.
func (s *Set) resolve(name string) (*catalog.Service, string) {
	var (
		empty *catalog.Service
		from  string
	)
	for _, source := range s.order {
		snap := s.snapshots[source]
		if snap == nil {
			continue
		}
		v, ok := snap.Services[name]
		switch {
		case !ok || v == nil:
		case v.Registered():
			return v, source
		case empty == nil:
			empty, from = v, source
		}
	}
	return empty, from
}

// Shadow is a service that two sources have, of which one is heard.
type Shadow struct {
	Service string
	// Used is the source whose instances get the requests, Ignored the other.
	Used, Ignored string
}

// Shadowed returns the services that more than one source has, sorted by name.
// Services that no pool names are not among them.
func (s *Set) Shadowed() []Shadow {
	s.mu.Lock()
	defer s.mu.Unlock()
	var shadows []Shadow
	for name, v := range s.services {
		if len(v.pools) == 0 {
			continue
		}
		_, used := s.resolve(name)
		for _, source := range s.order {
			snap := s.snapshots[source]
			if source != used && snap != nil && snap.Services[name].Registered() {
				shadows = append(shadows, Shadow{Service: name, Used: used, Ignored: source})
			}
		}
	}
	slices.SortStableFunc(shadows, func(a, b Shadow) int { return strings.Compare(a.Service, b.Service) })
	return shadows
}

// Change is what one Apply did to one service. The names are instance keys,
// sorted.
type Change struct {
	Service string
	Source  string
	// First says that nothing was known of the service before.
	First                   bool
	Added, Removed, Changed []string
}

// any reports whether anything is different.
func (c *Change) any() bool {
	return c.First || len(c.Added)+len(c.Removed)+len(c.Changed) > 0
}

// changeOf compares two states of a service; old may be nil.
func changeOf(old, now *catalog.Service, source string) Change {
	c := Change{Service: now.Name, Source: source, First: old == nil}
	was := map[string]*catalog.Instance{}
	if old != nil {
		for i := range old.Instances {
			was[old.Instances[i].Key] = &old.Instances[i]
		}
	}
	for i := range now.Instances {
		in := &now.Instances[i]
		switch o, ok := was[in.Key]; {
		case !ok:
			c.Added = append(c.Added, in.Key)
		case !o.Equal(in):
			c.Changed = append(c.Changed, in.Key)
		}
		delete(was, in.Key)
	}
	for key := range was {
		c.Removed = append(c.Removed, key)
	}
	slices.Sort(c.Added)
	slices.Sort(c.Changed)
	slices.Sort(c.Removed)
	return c
}
