package consul

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
)

// on makes an entry of a service on a node.
func on(node, service, id string, states ...string) *api.ServiceEntry {
	e := entry(id, states...)
	e.Node.Node, e.Service.Service = node, service
	for _, c := range e.Checks {
		c.Node = node
		if c.ServiceID != "" {
			c.ServiceName = service
		}
	}
	return e
}

// sharing runs a test in which services s02 to s09 share, each with one checked
// instance.
func sharing(t *testing.T, test func(t *testing.T, f *fake, r *running)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var names []string
		for i := range 10 {
			name := fmt.Sprintf("s%02d", i)
			names = append(names, name)
			f.set(name, on("n1", name, "a", api.HealthPassing))
		}
		r := start(t, f, Config{PlainWatches: 2}, names...)
		pass(time.Second)
		test(t, f, r)
	})
}

func TestFewWatchesBlockWhereManyAreFollowed(t *testing.T) {
	sharing(t, func(t *testing.T, f *fake, r *running) {
		st := r.Status()
		if len(st.Pending) != 0 || st.Age != 0 || st.Err != nil {
			t.Errorf("status %+v, want live", st)
		}
		if len(st.Warnings) != 1 || !strings.Contains(st.Warnings[0], "https://") {
			t.Errorf("warnings %q, want the remedy", st.Warnings)
		}
		pass(10 * time.Minute)
		blocking := map[string]bool{}
		for _, a := range f.requests("/") {
			if a.index > 0 {
				blocking[a.path] = true
			}
		}
		if len(blocking) != 5 || !blocking[rootsPath] {
			t.Errorf("blocking queries to %v, want two services, the two shared ones and the sentinel's", blocking)
		}
		if st := r.Status(); st.Age != 0 {
			t.Errorf("age %v of a quiet catalog", st.Age)
		}
		r.Follow([]string{"s00", "s09"})
		synctest.Wait()
		if w := r.Status().Warnings; len(w) != 0 {
			t.Errorf("warnings %q, though nobody shares now", w)
		}
		pass(time.Second)
		f.set("s09", on("n1", "s09", "b"))
		synctest.Wait()
		r.want("s09", "b", "its watch has a connection of its own now")
	})
}

func TestSharedServicesSeeChanges(t *testing.T) {
	sharing(t, func(t *testing.T, f *fake, r *running) {
		pass(5 * time.Second)
		f.set("s05", on("n1", "s05", "a", api.HealthCritical))
		pass(checksFloor)
		r.want("s05", "(a)", "a check changed")

		f.set("s05", on("n1", "s05", "a", api.HealthPassing), on("n2", "s05", "b", api.HealthPassing))
		pass(checksFloor)
		r.want("s05", "a b", "an instance with a check came")

		f.set("s05")
		pass(checksFloor)
		r.want("s05", "", "the last instance went")

		pass(servicesFloor)
		f.set("s05", on("n3", "s05", "c"))
		pass(servicesFloor)
		r.want("s05", "c", "a service without checks came")

		f.set("s05", on("n3", "s05", "c"), on("n4", "s05", "d"))
		pass(servicesFloor)
		r.want("s05", "c d", "an instance without checks came")

		e := on("n1", "s06", "a", api.HealthPassing)
		e.Service.Weights.Passing = 9
		f.set("s06", e)
		pass(sweepInterval)
		if got := r.last("s06").Instances[0].Weight; got != 9 {
			t.Errorf("weight %d after the sweep, want 9", got)
		}
	})
}

// What came before the first list of all services is in it, and so no change of it.
func TestSharedServicesSeeWhatCameBeforeTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.broken = "/v1/catalog/services"
		f.set("s01", on("n1", "s01", "a", api.HealthPassing))
		f.set("s02", on("n1", "s02", "a", api.HealthPassing))
		r := start(t, f, Config{PlainWatches: 1}, "s01", "s02")
		pass(time.Second)
		f.set("s02")
		pass(time.Second)
		r.want("s02", "", "the last instance went")
		f.set("s02", on("n3", "s02", "c"))
		pass(time.Second)
		f.change(func() { f.broken = "" })
		pass(4 * time.Second) // less than the sweep takes
		r.want("s02", "c", "an instance without checks came before the list")
	})
}

func TestSharedServicesSeeTheirNodes(t *testing.T) {
	sharing(t, func(_ *testing.T, f *fake, r *running) {
		down := on("n1", "s07", "a", api.HealthPassing)
		down.Checks[0].Status = api.HealthCritical
		f.set("s07", down)
		pass(checksFloor)
		r.want("s07", "(a)", "its node is critical")
	})
}

func TestSharedServicesSurviveAnOutage(t *testing.T) {
	sharing(t, func(t *testing.T, f *fake, r *running) {
		f.change(func() { f.down = true })
		pass(time.Second)
		if r.Status().Services["s05"].Err == nil {
			t.Error("a service that shares does not know of the outage")
		}
		pass(5 * time.Minute)
		r.want("s05", "a", "while Consul is away")
		if st := r.Status(); st.Err == nil || st.Age < 4*time.Minute {
			t.Errorf("age %v, error %v", st.Age, st.Err)
		}
		f.set("s05", on("n1", "s05", "b", api.HealthPassing))
		f.change(func() { f.down = false })
		pass(501 * time.Millisecond)
		r.want("s05", "b", "Consul is back")
	})
}

func TestSharedReadersAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.stalled = true
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprintf("s%02d", i))
		}
		start(t, f, Config{PlainWatches: 2}, names...)
		pass(identityTime + time.Second)
		if n := len(f.requests("/v1/health/service/")); n != 2+sharedReaders {
			t.Errorf("%d reads of services at a time, want %d", n, 2+sharedReaders)
		}
	})
}

func TestSameSet(t *testing.T) {
	for _, c := range []struct {
		a, b []string
		same bool
	}{
		{nil, []string{}, true},
		{[]string{"a", "b"}, []string{"b", "a"}, true},
		{[]string{"a"}, []string{"b"}, false},
		{[]string{"a"}, []string{"a", "b"}, false},
	} {
		if sameSet(c.a, c.b) != c.same || sameSet(slices.Clone(c.b), c.a) != c.same {
			t.Errorf("sameSet(%v, %v) is not %v both ways", c.a, c.b, c.same)
		}
	}
}
