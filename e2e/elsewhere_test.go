//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
)

// failoverRoute sends everything below /web to web, wherever it is.
const failoverRoute = `
route "web" {
  path_prefix = "/web"
  service     = "web"
  datacenters = ["dc2"]
}
`

// federation is two datacenters, one instance of web in the first and two in the
// second, and a gateway in the first.
type federation struct {
	near, far *harness.Consul
	here      *harness.Instance
	there     []*harness.Instance
	gateway   *harness.Gateway
	ledger    *harness.Ledger
}

func newFederation(t *testing.T, policies string) *federation {
	t.Helper()
	both := harness.StartFederation(t, "dc1", "dc2")
	f := &federation{near: both[0], far: both[1], ledger: &harness.Ledger{}}
	f.here = harness.StartInstance(t, "web", "web-here")
	f.here.Record(f.ledger)
	f.near.Register(f.here)
	for n := range 2 {
		f.there = append(f.there, f.another(t, n))
	}
	f.far.Register(f.there...)
	f.near.Lists("web", 1)
	f.far.Lists("web", 2)
	f.gateway = harness.StartGateway(t, harness.Options{Consul: f.near.Address(), Policies: policies})
	return f
}

// another runs an instance for the second datacenter.
func (f *federation) another(t *testing.T, n int) *harness.Instance {
	t.Helper()
	i := harness.StartInstanceAt(t, net.JoinHostPort(harness.MachineAddress(t), "0"), "web", "web-there-"+strconv.Itoa(n))
	i.Record(f.ledger)
	return i
}

// places is what the gateway says of its services.
type places struct {
	Services []struct {
		Name, Datacenter string
		Instances        []struct{ ID, Zone, Why string }
	}
	Failover []struct {
		Service     string
		Datacenters []string
		Serving     string
		Switches    int
	}
}

func placesOf(t *testing.T, g *harness.Gateway) places {
	t.Helper()
	status, body, err := g.AdminGet("/v1/services")
	var p places
	if err == nil {
		err = json.Unmarshal(body, &p)
	}
	if err != nil || status != http.StatusOK {
		t.Fatalf("services: %d %v: %s", status, err, body)
	}
	return p
}

// Another datacenter takes over when no instance of ours is healthy, and hands
// back as soon as one is, without a failed request.
func TestFailover(t *testing.T) {
	t.Parallel()
	f := newFederation(t, failoverRoute)
	harness.Within(t, harness.Patience, "ours serves", onlyBy(f.gateway, "/web", f.here))
	load := harness.Load{URL: f.gateway.URL("/web")}.Start(t)
	load.WaitFor(500)
	for range 2 {
		f.near.Report(f.here, "critical")
		harness.Within(t, 2*harness.Prompt, "the other takes over", onlyBy(f.gateway, "/web", f.there...))
		load.WaitFor(load.Sent() + 500)
		if n := f.gateway.Metric(t, "lictor_failover_serving", "route=web", "datacenter=dc2"); n != 1 {
			t.Errorf("dc2 serves: %v", n)
		}
		f.near.Report(f.here, "passing")
		harness.Within(t, 2*harness.Prompt, "ours is back", onlyBy(f.gateway, "/web", f.here))
		load.WaitFor(load.Sent() + 500)
	}
	settle(t, load, f.ledger)

	p := placesOf(t, f.gateway)
	if len(p.Failover) != 1 || p.Failover[0].Serving != "dc1" || !slices.Equal(p.Failover[0].Datacenters, []string{"dc1", "dc2"}) || p.Failover[0].Switches != 4 {
		t.Errorf("%+v", p.Failover)
	}
	if r := f.gateway.Run("services"); r.Code != 0 || !strings.Contains(r.Stdout, "dc1,dc2") || !strings.Contains(r.Stdout, "web@dc=dc2") {
		t.Errorf("lictor services: %+v", r)
	}
	for _, line := range []string{"failed over: service=web from=web to=web@dc=dc2", "back from failover: service=web from=web@dc=dc2 to=web"} {
		if n := f.gateway.Log.Count(line); n != 2 {
			t.Errorf("%q was logged %d times, want once a switch", line, n)
		}
	}

	// The last of ours goes: its service is not registered here any more.
	f.near.Deregister(f.here)
	harness.Within(t, 2*harness.Prompt, "the other takes over", onlyBy(f.gateway, "/web", f.there...))
	f.far.Report(f.there[0], "critical")
	f.far.Report(f.there[1], "critical")
	harness.Within(t, 2*harness.Prompt, "nobody serves", refused(f.gateway, "/web", http.StatusServiceUnavailable, "no-healthy-instance"))
	f.far.Deregister(f.there...)
	harness.Within(t, 2*harness.Prompt, "nobody is registered", refused(f.gateway, "/web", http.StatusServiceUnavailable, "service-not-registered"))
}

// An instance dies, and no check says so: beyond what it held at that moment no
// request fails, and when it is back, it serves again.
func TestFailoverFromADeadInstance(t *testing.T) {
	t.Parallel()
	f := newFederation(t, failoverRoute)
	const workers = 16
	killing := harness.Load{URL: f.gateway.URL("/web"), Workers: workers}.Start(t)
	killing.WaitFor(500)
	f.here.Close()
	killing.WaitFor(killing.Sent() + 500)
	if report := killing.Finish(); len(report.Failures) > workers {
		t.Errorf("more failed than the instance could hold: %v", report.Err())
	}
	harness.Within(t, harness.Patience, "the other takes over", onlyBy(f.gateway, "/web", f.there...))

	load := harness.Load{URL: f.gateway.URL("/web")}.Start(t)
	load.WaitFor(2000) // probes among them
	back := harness.StartInstanceAt(t, net.JoinHostPort(f.here.Host, strconv.Itoa(f.here.Port)), "web", f.here.ID)
	harness.Within(t, 2*harness.Patience, "ours is back", onlyBy(f.gateway, "/web", back))
	load.WaitFor(load.Sent() + 500)
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}
}

// The other datacenter's only server dies, or stops answering, while that
// datacenter serves: its last good instances go on serving, and ours is followed
// as if nothing were.
func TestTheOtherDatacenterIsLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]struct{ lose, restore func(*testing.T, *federation) }{
		"killed": {
			func(_ *testing.T, f *federation) { f.far.Kill() },
			func(_ *testing.T, f *federation) { f.far.Restart(false) },
		},
		// To our datacenter's servers a stopped one is what a cut wire is: whatever
		// is sent there is never answered.
		"cut off": {
			func(t *testing.T, f *federation) {
				if err := f.far.Process().Pause(); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, f *federation) {
				if err := f.far.Process().Resume(); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t, failoverRoute)
			f.near.Report(f.here, "critical")
			harness.Within(t, harness.Patience, "the other takes over", onlyBy(f.gateway, "/web", f.there...))
			load := harness.Load{URL: f.gateway.URL("/web")}.Start(t)
			load.WaitFor(500)
			lose.lose(t, f)
			harness.Within(t, 4*harness.Patience, "our servers have given the other datacenter up", func() error {
				var entries []json.RawMessage
				err := f.near.Get(t.Context(), "/v1/health/service/web?dc=dc2", &entries)
				if err == nil || !strings.Contains(err.Error(), "Consul answered 500") {
					return fmt.Errorf("they answer %d instances, %w", len(entries), err)
				}
				return nil
			})
			load.WaitFor(load.Sent() + 3000)
			f.near.Report(f.here, "passing")
			harness.Within(t, 2*harness.Prompt, "ours is back", onlyBy(f.gateway, "/web", f.here))
			f.near.Report(f.here, "critical")
			harness.Within(t, 2*harness.Prompt, "the other takes over again", onlyBy(f.gateway, "/web", f.there...))
			if status, body, err := f.gateway.AdminGet("/v1/ready"); err != nil || status != http.StatusOK {
				t.Errorf("not ready: %d %v %s", status, err, body)
			}
			if age := f.gateway.Metric(t, "lictor_catalog_age_seconds", "source=consul"); age != 0 {
				t.Errorf("the catalog is %v s old", age)
			}
			if f.gateway.Log.Contains("agent unreachable") {
				t.Error("our own agent was called unreachable")
			}
			lose.restore(t, f)
			late := f.another(t, 9)
			harness.Within(t, 4*harness.Patience, "what is registered there later serves", func() error {
				if err := f.far.Agent.Register(t.Context(), late.Registration()); err != nil {
					return err
				}
				return onlyBy(f.gateway, "/web", append(slices.Clone(f.there), late)...)()
			})
			settle(t, load, f.ledger)
		})
	}
}

// A gateway that starts while the other datacenter can't be reached is ready,
// and uses it once it can.
func TestStartWithoutTheOtherDatacenter(t *testing.T) {
	t.Parallel()
	f := newFederation(t, failoverRoute)
	f.far.Kill()
	gateway := harness.StartGateway(t, harness.Options{Consul: f.near.Address(), Policies: failoverRoute})
	harness.Within(t, harness.Patience, "ours serves", onlyBy(gateway, "/web", f.here))
	f.far.Restart(false)
	f.near.Report(f.here, "critical")
	harness.Within(t, 4*harness.Patience, "the other takes over", onlyBy(gateway, "/web", f.there...))
}

// A prepared query's own failover, its end, and its return.
func TestPreparedQuery(t *testing.T) {
	t.Parallel()
	f := newFederation(t, `
route "web" {
  path_prefix    = "/web"
  prepared_query = "nearest"
}
`)
	harness.Within(t, harness.Patience, "no such query", refused(f.gateway, "/web", http.StatusServiceUnavailable, "service-not-registered"))
	id := f.near.Prepare("nearest", "web", "dc2")
	harness.Within(t, harness.Patience, "ours serves", onlyBy(f.gateway, "/web", f.here))
	load := harness.Load{URL: f.gateway.URL("/web")}.Start(t)
	load.WaitFor(200)
	f.near.Report(f.here, "critical")
	harness.Within(t, harness.Patience, "the other takes over", onlyBy(f.gateway, "/web", f.there...))
	p := placesOf(t, f.gateway)
	if len(p.Services) != 1 || p.Services[0].Name != "nearest@query" || p.Services[0].Datacenter != "dc2" {
		t.Errorf("%+v", p.Services)
	}
	f.near.Report(f.here, "passing")
	harness.Within(t, harness.Patience, "ours is back", onlyBy(f.gateway, "/web", f.here))
	settle(t, load, f.ledger)

	f.near.Report(f.here, "critical")
	f.far.Report(f.there[0], "critical")
	f.far.Report(f.there[1], "critical")
	harness.Within(t, harness.Patience, "nobody is found", refused(f.gateway, "/web", http.StatusServiceUnavailable, "no-healthy-instance"))
	f.near.Report(f.here, "passing")
	harness.Within(t, harness.Patience, "ours is found", onlyBy(f.gateway, "/web", f.here))
	f.near.Unprepare(id)
	harness.Within(t, 2*harness.Patience, "the query is gone", refused(f.gateway, "/web", http.StatusServiceUnavailable, "service-not-registered"))
	f.near.Prepare("nearest", "web", "dc2")
	harness.Within(t, harness.Patience, "it is back", onlyBy(f.gateway, "/web", f.here))
}

// Requests stay in the gateway's zone while enough is healthy there, and go
// elsewhere in proportion.
func TestZone(t *testing.T) {
	t.Parallel()
	// The node is in zone a; what says nothing else is there too.
	consul := harness.StartConsulWith(t, datacenter.Options{Config: map[string]any{"node_meta": map[string]string{"place": "a"}}})
	orders := harness.StartInstances(t, "orders", 4)
	consul.Register(orders[:2]...)
	for _, i := range orders[2:] {
		r := i.Registration()
		r.Locality = &datacenter.Locality{Region: "eu", Zone: "b"}
		consul.RegisterAs(r)
		consul.Report(i, "passing")
	}
	consul.Lists("orders", 4)
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), Policies: ordersRoute, ConsulBlock: "zone = \"a\"\nzone_meta = \"place\"",
	})
	harness.Within(t, harness.Patience, "all stays in the zone", onlyBy(gateway, "/orders", orders[:2]...))
	for _, s := range placesOf(t, gateway).Services {
		for _, i := range s.Instances {
			if want := map[bool]string{true: "a", false: "b"}[strings.HasSuffix(i.ID, "-1") || strings.HasSuffix(i.ID, "-2")]; i.Zone != want {
				t.Errorf("%s is in zone %q, want %q", i.ID, i.Zone, want)
			}
		}
	}
	consul.Report(orders[0], "critical") // half is healthy: seven in ten stay
	harness.Within(t, harness.Patience, "seven in ten stay in the zone", func() error {
		got, err := shares(gateway, "/orders", 100)
		if n := got[orders[1].ID]; err == nil && (n < 68 || n > 72 || n+got[orders[2].ID]+got[orders[3].ID] != 100) {
			err = fmt.Errorf("answered by %v", got)
		}
		return err
	})
	if share := gateway.Metric(t, "lictor_zone_local_share", "route=orders"); share < 0.69 || share > 0.71 {
		t.Errorf("the share of the zone is %v", share)
	}
	consul.Report(orders[1], "critical")
	harness.Within(t, harness.Patience, "all goes elsewhere", onlyBy(gateway, "/orders", orders[2:]...))
	consul.Report(orders[0], "passing")
	consul.Report(orders[1], "passing")
	harness.Within(t, harness.Patience, "all is back in the zone", onlyBy(gateway, "/orders", orders[:2]...))
}
