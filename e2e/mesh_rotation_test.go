//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
)

// meshUnderLoad runs instances behind sidecars, and a gateway. Requests for
// /web/last end the connection that they come by, so that others need a new one; the
// gate holds those for /web/hold.
func meshUnderLoad(t *testing.T, consul *harness.Consul) (*harness.Gateway, *gate) {
	t.Helper()
	instances := harness.StartInstances(t, "web", 3)
	held := newGate(t, "/web/hold", instances...)
	for _, i := range instances {
		i.Handle("/web/last", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusOK)
		})
		consul.RegisterMeshed(i)
	}
	gateway := harness.StartGateway(t, harness.Options{Consul: consul.Address(), ConsulBlock: meshed, Policies: meshRoute("web", "auto")})
	harness.Within(t, harness.Patience, "all serve", onlyBy(gateway, "/web", instances...))
	return gateway, held
}

// Two rotations of the mesh's root fail no request, neither on connections that
// are kept nor on new ones.
func TestMeshRootRotations(t *testing.T) {
	consul := harness.StartConsul(t)
	gateway, _ := meshUnderLoad(t, consul)
	kept := harness.Load{URL: gateway.URL("/web")}.Start(t)
	fresh := harness.Load{URL: gateway.URL("/web/last"), Workers: 6}.Start(t)
	for n := 1; n <= 2; n++ {
		kept.WaitFor(kept.Sent() + 1000)
		consul.RotateMeshRoot()
		rotated := func(kind string) {
			t.Helper()
			harness.Within(t, 2*harness.Patience, "the gateway follows the rotation of its "+kind, func() error {
				if got := gateway.Metric(t, "lictor_mesh_rotations_total", "kind="+kind); got < float64(n) {
					return fmt.Errorf("%v rotations", got)
				}
				return nil
			})
		}
		rotated("roots")
		// The agent spreads the making of new leaves over half a minute. So for a while
		// one side shows a new one and the other an old one.
		rotated("leaf")
		fresh.WaitFor(fresh.Sent() + 300)
	}
	kept.WaitFor(enough - fresh.Sent())
	sent := int64(0)
	for name, load := range map[string]*harness.Running{"kept": kept, "fresh": fresh} {
		report := load.Finish()
		if err := report.Err(); err != nil {
			t.Errorf("%s connections: %v", name, err)
		}
		t.Logf("%s connections: %d requests, statuses %v", name, report.Sent, report.Statuses)
		sent += report.Sent
	}
	if sent < enough {
		t.Errorf("only %d requests were sent", sent)
	}
	if left := gateway.Metric(t, "lictor_mesh_leaf_expiry_seconds"); left < 3600 {
		t.Errorf("the leaf lasts %v s", left)
	}
}

// An agent that is restarted fails no request on connections that are kept. New
// ones sidecars refuse meanwhile, since they ask the agent about each.
func TestMeshAgentRestarts(t *testing.T) {
	consul := harness.StartConsulWith(t, datacenter.Options{Server: true, Config: map[string]any{"connect": map[string]any{"enabled": true}}})
	gateway, held := meshUnderLoad(t, consul)
	const workers = 8
	// Connections for all workers to each instance, so that no request needs a new one
	// however many are with an instance at a time. They are kept for 27 s at least.
	_, answers := held.hold(t, gateway, "/web/hold", 4*workers)
	held.Open()
	for range 4 * workers {
		if a := <-answers; a.Status != http.StatusOK {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	load := harness.Load{URL: gateway.URL("/web"), Workers: workers}.Start(t)
	load.WaitFor(500)
	consul.Kill()
	load.WaitFor(load.Sent() + 3000)
	consul.Restart(false)
	load.WaitFor(max(enough, load.Sent()+2000))
	report := load.Finish()
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	t.Logf("%d requests, statuses %v", report.Sent, report.Statuses)
	harness.Within(t, harness.Patience, "new connections are made again", func() error {
		a, err := gateway.Try(http.MethodGet, "/web/last", nil)
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", a.Status, a.Body)
		}
		return err
	})
}
