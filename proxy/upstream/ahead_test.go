package upstream

import (
	"testing"

	"github.com/lictor/lictor/catalog"
)

// While policies are made of a newer state, new pools find what they ask for in it,
// and those that serve find what they did.
func TestAhead(t *testing.T) {
	in := instances(2)
	for i := range in {
		in[i].Tags = []string{"old"}
	}
	s, old := newPool(t, PoolSpec{Tags: []string{"old"}}, in...)
	all := mustPool(t, s, PoolSpec{Service: "web"})

	next := instances(3)
	next[0].Tags, next[1].Tags, next[2].Tags = []string{"new"}, []string{"old"}, []string{"new"}
	next[0].Ineligible = "critical"
	coming := snapshot("consul", next...)
	s.Ahead(coming)
	fresh := mustPool(t, s, PoolSpec{Service: "web", Tags: []string{"new"}})
	is := func(when, o, f, a string) {
		t.Helper()
		if keys(old) != o || keys(fresh) != f || keys(all) != a {
			t.Errorf("%s: %q, %q and %q, want %q, %q and %q", when, keys(old), keys(fresh), keys(all), o, f, a)
		}
	}
	is("made ahead", "0000 0001", "0000 0002", "0000 0001")
	if old.eligible != all.eligible || fresh.eligible != 1 {
		t.Errorf("one endpoint is eligible in one pool and not in another: %d, %d, %d", old.eligible, all.eligible, fresh.eligible)
	}
	s.Apply(snapshot("consul", in...)) // what is held is told again
	mustPool(t, s, PoolSpec{Service: "web", Balance: "random"})
	is("told nothing new", "0000 0001", "0000 0002", "0000 0001")
	s.Apply(coming)
	is("told the same", "0001", "0000 0002", "0000 0001 0002")
	s.Ahead(nil)
	is("in the end", "0001", "0000 0002", "0000 0001 0002")

	// Another source's service is not what is ahead, and what never came is forgotten.
	s.Ahead(&catalog.Snapshot{Source: "static", Services: snapshot("static").Services})
	if p := mustPool(t, s, PoolSpec{Service: "web", Balance: "round_robin"}); keys(p) != "0000 0001 0002" {
		t.Errorf("another source is heard: %q", keys(p))
	}
	later := instances(1)
	later[0].Tags = []string{"later"}
	s.Ahead(snapshot("consul", later...))
	p := mustPool(t, s, PoolSpec{Service: "web", Tags: []string{"later"}})
	if keys(p) != "0000" {
		t.Errorf("made ahead: %q", keys(p))
	}
	s.Ahead(nil)
	is("forgotten", "0001", "0000 0002", "0000 0001 0002")
	if keys(p) != "" {
		t.Errorf("forgotten: %q", keys(p))
	}
	s.Retain([]*Pool{all})
	if s.Ahead(coming); keys(all) != "0000 0001 0002" {
		t.Errorf("retained: %q", keys(all))
	}
}
