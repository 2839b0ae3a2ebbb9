package consul

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/catalog"
)

// in2 is a service in the datacenter dc2.
var in2 = catalog.InDatacenter("web", "dc2")

// far makes an entry of an instance in dc2, on a node named as our agent's is.
func far(id string, states ...string) *api.ServiceEntry {
	e := entry(id, states...)
	e.Node.Datacenter = "dc2"
	return e
}

// Each datacenter's instances are followed by a watch of their own, with an
// index of its own.
func TestAnotherDatacenterIsFollowed(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.change(func() { f.index = 1000 })
		f.set("web", entry("web1", api.HealthPassing))
		f.set(in2, far("far1", api.HealthPassing))
		f.change(func() { f.indexOf[in2] = 7 }) // a history of its own
		r := start(t, f, Config{}, "web", in2)
		r.want("web", "web1", "first answer")
		r.want(in2, "far1", "first answer")
		if got := r.last(in2).Datacenter; got != "dc2" {
			t.Errorf("the instances are in %q", got)
		}
		if got := r.last("web").Datacenter; got != "" {
			t.Errorf("our own are in %q", got)
		}
		if got := r.snapshots[len(r.snapshots)-1].Datacenter; got != "dc1" {
			t.Errorf("our own datacenter is %q", got)
		}
		pass(time.Second)
		f.change(func() { f.services[in2], f.indexOf[in2] = []*api.ServiceEntry{far("far2", api.HealthPassing)}, 8 })
		synctest.Wait() // no time passes
		r.want(in2, "far2", "after a change")
		r.want("web", "web1", "after a change elsewhere")
		pass(time.Second)
		f.change(func() { f.services[in2], f.indexOf[in2] = nil, 9 })
		synctest.Wait()
		r.want(in2, "", "after the last one is gone")
		for _, a := range f.requests("/v1/health/service/web") {
			if dc := strings.Contains(a.query, "dc=dc2"); a.index > 0 && dc != (a.index < 100) {
				t.Errorf("index %d asked for with %q", a.index, a.query)
			}
		}
	})
}

// A node of another datacenter is not ours, whatever its name: its loopback
// addresses and sockets are not this machine's, even while our own datacenter is
// not known.
func TestNobodyElsewhereIsLocal(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.set(in2, far("far1"), far("far2"), far("far3"))
		for i, edit := range []func(*api.ServiceEntry){
			func(e *api.ServiceEntry) { e.Service.Address = "127.0.0.1" },
			func(e *api.ServiceEntry) { e.Service.SocketPath = "/run/web.sock" },
			func(e *api.ServiceEntry) { e.Service.Address, e.Node.Datacenter = "127.0.0.1", "" },
		} {
			edit(f.services[in2][i])
		}
		for _, known := range []bool{true, false} {
			f.change(func() { f.forbid["/v1/agent/self"] = !known })
			r := start(t, f, Config{NodeName: "n1"}, "web", in2)
			r.want(in2, "(far1) (far2) (far3)", "on nodes named as ours")
			r.stop()
		}
	})
}

// A datacenter without a path, or that is mute, keeps its last good instances,
// ages nothing, and is no loss of our agent.
func TestADatacenterThatIsAwayHoldsNobodyUp(t *testing.T) {
	for _, away := range []string{"lost", "mute"} {
		in(t, func(t *testing.T, f *fake) {
			f.set(in2, far("far1", api.HealthPassing))
			r := start(t, f, Config{}, "web", in2)
			pass(time.Second)
			cut := func(off bool) {
				f.change(func() {
					if away == "lost" {
						f.lost["dc2"] = off
					} else {
						f.mute["dc2"] = off
					}
				})
			}
			cut(true)
			for range 30 {
				pass(20 * time.Second)
				if n := len(f.requests("/v1/status/leader")); n > 0 {
					t.Fatalf("%s: the agent was probed %d times", away, n)
				}
			}
			r.want(in2, "far1", "while its datacenter is "+away)
			st := r.Status()
			if st.Age != 0 || st.Err != nil || len(st.Pending) != 0 {
				t.Errorf("%s: age %v, error %v, pending %q", away, st.Age, st.Err, st.Pending)
			}
			if one := st.Services[in2]; one.Err == nil || one.Age < 8*time.Minute {
				t.Errorf("%s: the datacenter's own state is %+v", away, one)
			}
			f.set("web", entry("web2", api.HealthPassing))
			synctest.Wait()
			r.want("web", "web2", "meanwhile")
			f.set(in2, far("far2", api.HealthPassing))
			cut(false)
			pass(backoffMax)
			r.want(in2, "far2", "once it is back")
			if st := r.Status(); st.Services[in2].Err != nil {
				t.Errorf("%s: %v, though it is back", away, st.Services[in2].Err)
			}
		})
	}
}

// A datacenter that was never heard of is not waited for once it has failed, and
// is waited for until then.
func TestADatacenterThatNeverAnswered(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.change(func() { f.mute["dc2"] = true })
		r := start(t, f, Config{}, "web", in2)
		if st := r.Status(); len(st.Pending) != 1 || st.Pending[0] != in2 {
			t.Errorf("pending %q", st.Pending)
		}
		pass(readTime)
		if st := r.Status(); len(st.Pending) != 0 || st.Err != nil || st.Age != 0 {
			t.Errorf("status %+v", st)
		}
		r.want(in2, "?", "while it never answered")
		f.set(in2, far("far1", api.HealthPassing))
		f.change(func() { f.mute["dc2"] = false })
		pass(backoffMax)
		r.want(in2, "far1", "once it answers")
	})
}

// When our own agent is away, other datacenters are as unheard of as our own,
// and come back with it.
func TestElsewhereComesBackWithOurAgent(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.set(in2, far("far1", api.HealthPassing))
		r := start(t, f, Config{}, "web", in2)
		pass(time.Second)
		f.change(func() { f.down = true })
		pass(5 * time.Minute)
		r.want(in2, "far1", "while our agent is away")
		f.set(in2, far("far2", api.HealthPassing))
		f.change(func() { f.down = false })
		pass(501 * time.Millisecond)
		r.want(in2, "far2", "once it is back")
	})
}

// The catalog says our own datacenter's name as soon as it is known.
func TestOurDatacenterIsToldWhenItIsKnown(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.set("web", on("n2", "web", "web1", api.HealthPassing))
		f.change(func() { f.forbid["/v1/agent/self"] = true })
		r := start(t, f, Config{}, "web")
		if got := r.snapshots[len(r.snapshots)-1].Datacenter; got != "" {
			t.Fatalf("our datacenter is %q, which nobody said", got)
		}
		f.change(func() { f.forbid["/v1/agent/self"] = false })
		pass(identityInterval + time.Second)
		if got := r.snapshots[len(r.snapshots)-1].Datacenter; got != "dc1" {
			t.Errorf("our datacenter is %q", got)
		}
		if got := r.Status().Services["web"].Changes; got != 0 {
			t.Errorf("%d changes counted, though no instance changed", got)
		}
	})
}

// The zone is the instance's own, its node's, or its node's metadata.
func TestZone(t *testing.T) {
	for _, tc := range []struct {
		service, node *api.Locality
		meta, key     string
		want          string
	}{
		{nil, nil, "m", "", ""},
		{nil, nil, "m", "zone", "m"},
		{nil, nil, "m", "rack", ""},
		{nil, &api.Locality{Zone: "n"}, "m", "zone", "n"},
		{&api.Locality{Region: "eu"}, &api.Locality{Zone: "n"}, "m", "zone", "n"},
		{&api.Locality{Zone: "s"}, &api.Locality{Zone: "n"}, "m", "zone", "s"},
	} {
		e := entry("web1")
		e.Service.Locality, e.Node.Locality, e.Node.Meta = tc.service, tc.node, map[string]string{"zone": tc.meta}
		if got := (rules{zoneMeta: tc.key}).instance(e).Zone; got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}
