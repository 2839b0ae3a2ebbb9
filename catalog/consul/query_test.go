package consul

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/catalog"
)

var nearest = catalog.QueryName("nearest")

// finds makes the entries what the prepared query finds.
func (f *fake) finds(datacenter string, entries ...*api.ServiceEntry) {
	found := &api.PreparedQueryExecuteResponse{Service: "web", Datacenter: datacenter, Nodes: []api.ServiceEntry{}}
	for _, e := range entries {
		found.Nodes = append(found.Nodes, *e)
	}
	f.change(func() { f.queries["nearest"] = found })
}

// The query is executed every five seconds or so, and what it finds is taken
// over, whatever datacenter that is in.
func TestQueryIsPolled(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.finds("dc1", entry("web1", api.HealthPassing))
		r := start(t, f, Config{}, "web", nearest)
		r.want(nearest, "web1", "first answer")
		if v := r.last(nearest); v.Datacenter != "" || !v.Exists {
			t.Errorf("%+v", v)
		}
		f.finds("dc2", far("far1", api.HealthPassing), far("far2", api.HealthPassing))
		pass(pollInterval + pollJitter)
		r.want(nearest, "far1 far2", "after the query's own failover")
		if got := r.last(nearest).Datacenter; got != "dc2" {
			t.Errorf("they are in %q", got)
		}
		before := len(f.requests("/v1/query/"))
		pass(10 * time.Minute)
		if n := len(f.requests("/v1/query/")) - before; n < 110 || n > 130 {
			t.Errorf("%d executions in 10 minutes, want 120 or so", n)
		}
		if st := r.Status(); st.Age != 0 || st.Err != nil || len(st.Pending) != 0 {
			t.Errorf("status %+v", st)
		}
		for _, a := range f.requests("/v1/query/") {
			if a.index != 0 || a.stale {
				t.Errorf("asked with %q", a.query)
			}
		}
	})
}

// Whose checks fail is for the query to judge, which may ignore some; where
// requests may go is not.
func TestQueryJudgesHealthAndNotAddresses(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		loopback, here := far("far2", api.HealthPassing), entry("web2", api.HealthPassing)
		loopback.Service.Address, here.Service.Address = "127.0.0.1", "127.0.0.1"
		f.finds("dc2", far("far1", api.HealthCritical), loopback)
		r := start(t, f, Config{}, nearest)
		r.want(nearest, "far1 (far2)", "in another datacenter, on a node named as ours")
		f.finds("dc1", here)
		pass(pollInterval + pollJitter)
		r.want(nearest, "web2", "on our own node")
	})
}

// A query that finds nothing is one that exists. An answer that the token may
// not read, or that nobody leads, is not believed.
func TestQueryThatFindsNothing(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.finds("dc1", entry("web1", api.HealthPassing))
		r := start(t, f, Config{}, nearest)
		f.change(func() { f.filtered = true })
		pass(time.Minute)
		r.want(nearest, "web1", "while filtered by ACLs")
		st := r.Status()
		if st.Services[nearest].Held != heldFiltered || len(st.Warnings) != 1 || !strings.Contains(st.Warnings[0], "prepared query") {
			t.Errorf("held %q, warnings %q", st.Services[nearest].Held, st.Warnings)
		}
		f.change(func() { f.filtered, f.leader = false, false })
		f.finds("dc1")
		pass(time.Minute)
		r.want(nearest, "web1", "without a leader")
		f.change(func() { f.leader = true })
		pass(pollInterval + pollJitter)
		r.want(nearest, "", "once it is certain")
		if v := r.last(nearest); !v.Registered() {
			t.Error("a query that finds nothing is not known to exist")
		}
		pass(time.Minute)
		if st := r.Status(); st.Services[nearest].Held != "" || len(st.Warnings) != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

// A query that is not there is believed to be gone when it was not found again
// and again, and at once when it had never been there.
func TestMissingQuery(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, nearest)
		r.want(nearest, "?", "after the first time")
		pass(backoffFirst)
		r.want(nearest, "", "after the second")
		if v := r.last(nearest); v.Registered() {
			t.Error("a query that is not there is called registered")
		}
		f.finds("dc1", entry("web1", api.HealthPassing))
		pass(pollInterval + pollJitter)
		r.want(nearest, "web1", "once it is made")
		f.finds("dc1")
		pass(pollInterval + pollJitter)
		r.want(nearest, "", "nobody is healthy: it was missing before, but had not been there")
		f.finds("dc1", entry("web1", api.HealthPassing))
		pass(pollInterval + pollJitter)
		f.change(func() { delete(f.queries, "nearest") })
		pass(pollInterval + pollJitter)
		r.want(nearest, "web1", "not found once")
		if held := r.Status().Services[nearest].Held; held != heldMissing {
			t.Errorf("held %q", held)
		}
		pass(2 * (pollInterval + pollJitter))
		r.want(nearest, "", "not found three times")
		if v := r.last(nearest); v.Registered() {
			t.Error("a query that is gone is called registered")
		}
	})
}

// A query that is made anew after its state was lost is held while it finds
// nothing yet: its instances are coming back.
func TestQueryAfterLostState(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.finds("dc1", entry("web1", api.HealthPassing))
		r := start(t, f, Config{}, nearest)
		f.change(func() { delete(f.queries, "nearest") })
		pass(pollInterval + pollJitter)
		f.finds("dc1")
		pass(time.Minute)
		r.want(nearest, "web1", "within the grace")
		pass(regressionGrace)
		r.want(nearest, "", "after the grace")
	})
}

// Errors keep the last good and back off; our agent's return wakes the query.
func TestQueryErrorsKeepTheLastGood(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.finds("dc1", entry("web1", api.HealthPassing))
		r := start(t, f, Config{}, nearest)
		f.change(func() { f.status = 403 })
		before := len(f.requests("/v1/query/"))
		pass(10 * time.Minute)
		r.want(nearest, "web1", "while refused")
		if n := len(f.requests("/v1/query/")) - before; n < 20 || n > 60 {
			t.Errorf("%d executions in 10 minutes of refusal", n)
		}
		if st := r.Status(); st.Err == nil || len(st.Warnings) != 1 {
			t.Errorf("status %+v", st)
		}
		f.change(func() { f.status, f.down = 0, true })
		pass(5 * time.Minute)
		r.want(nearest, "web1", "while Consul is away")
		f.finds("dc1", entry("web2", api.HealthPassing))
		f.change(func() { f.down = false })
		pass(501 * time.Millisecond)
		r.want(nearest, "web2", "once Consul is back")
	})
}

// An execution that hangs is given up, and many of them take few connections.
func TestQueriesThatHang(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		names := []string{nearest}
		f.finds("dc1", entry("web1", api.HealthPassing))
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			f.queries[name] = f.queries["nearest"]
			names = append(names, catalog.QueryName(name))
		}
		r := start(t, f, Config{PlainWatches: 1}, append(names, "web")...)
		if st := r.Status(); len(st.Pending) != 0 || len(st.Warnings) != 0 {
			t.Errorf("status %+v", st)
		}
		f.change(func() { f.swallow = "/v1/query/" })
		before := len(f.requests("/v1/query/"))
		pass(readTime)
		if n := len(f.requests("/v1/query/")) - before; n != sharedReaders {
			t.Errorf("%d executions at a time, want %d", n, sharedReaders)
		}
		pass(time.Minute)
		r.want(nearest, "web1", "while nothing answers")
		r.want("web", "web1", "meanwhile")
		f.change(func() { f.swallow = "" })
		f.finds("dc1", entry("web2", api.HealthPassing))
		pass(time.Minute)
		r.want(nearest, "web2", "once it answers")
	})
}

// What a query found, and where, outlives the gateway.
func TestQueryIsKeptOnDisk(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		dir := t.TempDir()
		f.finds("dc2", far("far1", api.HealthPassing))
		r := start(t, f, Config{DataDir: dir}, nearest)
		r.stop()
		f.change(func() { f.down = true })
		r = start(t, f, Config{DataDir: dir}, nearest)
		pass(time.Second)
		r.want(nearest, "far1 stale", "from disk")
		if v := r.last(nearest); v.Datacenter != "dc2" || !v.Exists {
			t.Errorf("%+v", v)
		}
	})
}
