//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// underLoad is a world whose Consul keeps its state, with a load on /orders and a
// ledger of what arrived.
func underLoad(t *testing.T, instances int) (world, *harness.Ledger, *harness.Running) {
	t.Helper()
	w := world{consul: harness.StartConsulServer(t), orders: harness.StartInstances(t, "orders", instances)}
	w.consul.Age()
	ledger := &harness.Ledger{}
	for _, i := range w.orders {
		i.Record(ledger)
	}
	w.consul.Register(w.orders...)
	w.consul.Lists("orders", instances)
	w.gateway = harness.StartGateway(t, harness.Options{Consul: w.consul.Address(), Policies: ordersRoute})
	harness.Within(t, harness.Patience, "all serve", onlyBy(w.gateway, "/orders", w.orders...))
	return w, ledger, harness.Load{URL: w.gateway.URL("/orders")}.Start(t)
}

// settle ends the load and wants every request to have succeeded exactly once.
func settle(t *testing.T, load *harness.Running, ledger *harness.Ledger) {
	t.Helper()
	report := load.Finish()
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if got := ledger.Arrivals(); int64(got) != report.Sent {
		t.Errorf("%d requests arrived, %d were sent", got, report.Sent)
	}
	if twice := ledger.Repeated(); len(twice) > 0 {
		t.Errorf("%d requests arrived more than once, such as %v", len(twice), twice[:min(len(twice), 10)])
	}
	t.Logf("%d requests, statuses %v", report.Sent, report.Statuses)
}

// enough is how many requests a test under load sends at least.
const enough = 10_000

func TestConsulCrashesUnderLoad(t *testing.T) {
	w, ledger, load := underLoad(t, 3)
	load.WaitFor(1000)
	w.consul.Kill()
	load.WaitFor(load.Sent() + 3000)
	w.consul.Restart(false)
	late := harness.StartInstance(t, "orders", "orders-late")
	late.Record(ledger)
	w.consul.Register(late)
	harness.Within(t, harness.Patience, "what is registered after the outage serves",
		onlyBy(w.gateway, "/orders", append(w.orders, late)...))
	load.WaitFor(enough)
	settle(t, load, ledger)
}

// A Consul that answers nothing at all is worse than one that is gone: every
// connection stays open.
func TestConsulHangsUnderLoad(t *testing.T) {
	w, ledger, load := underLoad(t, 2)
	load.WaitFor(500)
	if err := w.consul.Process().Pause(); err != nil {
		t.Fatal(err)
	}
	load.WaitFor(load.Sent() + 2000)
	if err := w.consul.Process().Resume(); err != nil {
		t.Fatal(err)
	}
	late := harness.StartInstance(t, "orders", "orders-late")
	late.Record(ledger)
	w.consul.Register(late)
	harness.Within(t, harness.Patience, "what is registered afterwards serves",
		onlyBy(w.gateway, "/orders", append(w.orders, late)...))
	settle(t, load, ledger)
}

func TestConsulLosesItsState(t *testing.T) {
	w, ledger, load := underLoad(t, 3)
	load.WaitFor(500)
	w.consul.Kill()
	w.consul.Restart(true)
	// Consul now says that there are no orders at all. Nobody would have wanted that.
	load.WaitFor(load.Sent() + 3000)
	late := harness.StartInstance(t, "orders", "orders-late")
	late.Record(ledger)
	w.consul.Register(late)
	harness.Within(t, 2*harness.Prompt, "the first that is registered anew replaces what was held",
		onlyBy(w.gateway, "/orders", late))
	settle(t, load, ledger)
}

func TestConsulAwayAtStart(t *testing.T) {
	ports, err := process.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	gateway := harness.StartGateway(t, harness.Options{
		Consul:   fmt.Sprintf("127.0.0.1:%d", ports[0]),
		Policies: ordersRoute,
		NotReady: true,
	})
	if status, body, err := gateway.AdminGet("/v1/ready"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("ready without a catalog: %d %s %v", status, body, err)
	}
	if a := gateway.Get("/orders"); a.Status != http.StatusServiceUnavailable {
		t.Errorf("a request without a catalog: %d %s", a.Status, a.Body)
	}
	if a := gateway.Get("/nothing"); a.Status != http.StatusNotFound {
		t.Errorf("a request without a route: %d %s", a.Status, a.Body)
	}

	agent, err := datacenter.Start(t.Context(), datacenter.Options{
		Binary: harness.ConsulBinary(t), Dir: t.TempDir(), HTTPPort: ports[0],
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agent.Kill)
	if want := fmt.Sprintf("127.0.0.1:%d", ports[0]); agent.Address() != want {
		t.Fatalf("somebody took %s, where the gateway looks for Consul", want)
	}
	orders := harness.StartInstance(t, "orders", "orders-1")
	if err := agent.Register(t.Context(), orders.Registration()); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "it serves once Consul is there", onlyBy(gateway, "/orders", orders))
	harness.Within(t, harness.Patience, "it is ready once Consul is there", func() error {
		status, body, err := gateway.AdminGet("/v1/ready")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
}
