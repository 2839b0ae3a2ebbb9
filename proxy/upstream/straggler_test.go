package upstream

import (
	"testing"

	"github.com/lictor/lictor/catalog"
)

// A request that began before policies and tags changed finds whom it would have found,
// but for those that are gone.
func TestStragglersFindWhomTheyWould(t *testing.T) {
	in := instances(3)
	for i := range in {
		in[i].Tags = []string{"old"}
	}
	s, p := newPool(t, PoolSpec{Tags: []string{"old"}}, in...)
	all := mustPool(t, s, PoolSpec{Service: "web"})
	next := instances(3)[:2]
	for i := range next {
		next[i].Tags = []string{"new"}
	}
	next[1].Ineligible = "critical"
	coming := snapshot("consul", next...)
	s.Ahead(coming)
	fresh := mustPool(t, s, PoolSpec{Service: "web", Tags: []string{"new"}})
	s.Retain([]*Pool{all, fresh})
	s.Apply(coming)
	s.Ahead(nil)
	for range 3 {
		var a Attempt
		e, why := p.Acquire(&a, t0)
		if why != Acquired || e.Key() != "node/web-0000" || !e.Instance().HasTags([]string{"new"}) {
			t.Fatalf("a straggler got %v, %v", e, why)
		}
		a.Release()
	}
	if keys(p) != "0000 0001" || keys(fresh) != "0000 0001" || p.eligible != 1 {
		t.Errorf("%q and %q, %d eligible", keys(p), keys(fresh), p.eligible)
	}
	s.Ahead(coming)
	s.Ahead(nil)
	s.Retain([]*Pool{all, fresh})
	s.Retain([]*Pool{all, fresh})
	var a Attempt
	if _, why := p.Acquire(&a, t0); why != Acquired {
		t.Errorf("a later straggler: %v", why)
	}
	a.Release()

	if again := mustPool(t, s, PoolSpec{Service: "web", Tags: []string{"old"}}); again != p || keys(p) != "" {
		t.Errorf("policies that ask by the tag again get %q", keys(again))
	}
	s.Retain([]*Pool{all})
	s.Apply(&catalog.Snapshot{Source: "consul", Services: map[string]*catalog.Service{"web": {Name: "web"}}})
	if _, why := p.Acquire(&a, t0); why != NotRegistered {
		t.Errorf("nobody is left: %v", why)
	}
}
