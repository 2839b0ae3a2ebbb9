//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
)

func TestRegisterAndDeregister(t *testing.T) {
	w := newWorld(t, 3, ordersRoute)
	a, b, c := w.orders[0], w.orders[1], w.orders[2]
	w.consul.Deregister(c)
	harness.Within(t, harness.Prompt, "a deregistered instance is gone", onlyBy(w.gateway, "/orders", a, b))
	w.consul.Register(c)
	harness.Within(t, harness.Prompt, "a registered instance serves", onlyBy(w.gateway, "/orders", a, b, c))
}

func TestCheckFlips(t *testing.T) {
	w := newWorld(t, 2, ordersRoute)
	a, b := w.orders[0], w.orders[1]
	w.consul.Report(a, "critical")
	harness.Within(t, harness.Prompt, "a critical instance is gone", onlyBy(w.gateway, "/orders", b))
	w.consul.Report(a, "passing")
	harness.Within(t, harness.Prompt, "a passing instance is back", onlyBy(w.gateway, "/orders", a, b))
	w.consul.Report(a, "warning")
	harness.Within(t, harness.Prompt, "a warning instance still serves", onlyBy(w.gateway, "/orders", a, b))
}

func TestServiceMaintenance(t *testing.T) {
	w := newWorld(t, 2, ordersRoute)
	a, b := w.orders[0], w.orders[1]
	w.consul.ServiceMaintenance(a, true)
	harness.Within(t, harness.Prompt, "an instance in maintenance is gone", onlyBy(w.gateway, "/orders", b))
	w.consul.ServiceMaintenance(a, false)
	harness.Within(t, harness.Prompt, "it is back after maintenance", onlyBy(w.gateway, "/orders", a, b))
}

func TestNodeMaintenance(t *testing.T) {
	w := newWorld(t, 2, ordersRoute)
	w.consul.NodeMaintenance(true)
	harness.Within(t, harness.Prompt, "all instances of a node in maintenance are gone",
		refused(w.gateway, "/orders", http.StatusServiceUnavailable, "no-healthy-instance"))
	w.consul.NodeMaintenance(false)
	harness.Within(t, harness.Prompt, "they are back after maintenance", onlyBy(w.gateway, "/orders", w.orders...))
}

func TestLastInstanceGone(t *testing.T) {
	w := newWorld(t, 2, ordersRoute)
	w.consul.Report(w.orders[0], "critical")
	w.consul.Report(w.orders[1], "critical")
	harness.Within(t, harness.Prompt, "no healthy instance",
		refused(w.gateway, "/orders", http.StatusServiceUnavailable, "no-healthy-instance"))
	w.consul.Deregister(w.orders...)
	harness.Within(t, harness.Prompt, "no instance at all",
		refused(w.gateway, "/orders", http.StatusServiceUnavailable, "service-not-registered"))
	w.consul.Register(w.orders[0])
	harness.Within(t, harness.Prompt, "a first instance serves", onlyBy(w.gateway, "/orders", w.orders[0]))
}

// A service without checks is served; an instance of one that declares checks is
// served only once one of its own has passed.
func TestFirstCheckPending(t *testing.T) {
	w := newWorld(t, 1, ordersRoute+`
route "plain" {
  path_prefix = "/plain"
  service     = "plain"
}
`)
	plain := harness.StartInstance(t, "plain", "plain-1")
	r := plain.Registration()
	r.Checks = nil
	w.consul.RegisterAs(r)
	harness.Within(t, harness.Prompt, "a service without checks serves", onlyBy(w.gateway, "/plain", plain))

	pending := harness.StartInstance(t, "orders", "orders-pending")
	r = pending.Registration()
	r.Checks[0].Status = "critical"
	w.consul.RegisterAs(r)
	late := harness.StartInstance(t, "orders", "orders-late")
	w.consul.Register(late) // seen no earlier than the pending one
	harness.Within(t, harness.Prompt, "an instance that has not passed does not serve", onlyBy(w.gateway, "/orders", w.orders[0], late))
	w.consul.Report(pending, "passing")
	harness.Within(t, harness.Prompt, "it serves once it passes", onlyBy(w.gateway, "/orders", w.orders[0], late, pending))
}

func TestLeastConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, ordersRoute)
	gate := newGate(t, "/orders/hold", w.orders...)
	held, answers := gate.hold(t, w.gateway, "/orders/hold", 6)
	if want := map[string]int{"orders-1": 2, "orders-2": 2, "orders-3": 2}; !maps.Equal(held, want) {
		t.Errorf("held by %v, want %v", held, want)
	}
	gate.Open()
	for range 6 {
		if a := <-answers; a.Status != http.StatusOK {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	}
}

func TestWeights(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	orders := harness.StartInstances(t, "orders", 2)
	heavy := orders[0].Registration()
	heavy.Weights = &datacenter.Weights{Passing: 3, Warning: 1}
	consul.RegisterAs(heavy)
	consul.Register(orders[1])
	consul.Lists("orders", 2)
	gateway := harness.StartGateway(t, harness.Options{Consul: consul.Address(), Policies: ordersRoute})

	passing := newGate(t, "/orders/passing", orders...)
	warning := newGate(t, "/orders/warning", orders...)
	held, answers := passing.hold(t, gateway, "/orders/passing", 8)
	if want := map[string]int{"orders-1": 6, "orders-2": 2}; !maps.Equal(held, want) {
		t.Errorf("weights 3 and 1: held by %v, want %v", held, want)
	}
	passing.Open()
	for range 8 {
		if a := <-answers; a.Status != http.StatusOK {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	}

	consul.Report(orders[0], "warning")
	// What the gateway lists is the only sign of a changed weight without traffic.
	harness.Within(t, harness.Patience, "the warning is seen", func() error {
		_, body, err := gateway.AdminGet("/v1/services")
		if err == nil && !regexp.MustCompile(`"health":\s*"warning"`).Match(body) {
			err = fmt.Errorf("%s", body)
		}
		return err
	})
	held, _ = warning.hold(t, gateway, "/orders/warning", 6)
	if want := map[string]int{"orders-1": 3, "orders-2": 3}; !maps.Equal(held, want) {
		t.Errorf("weights 1 (warning) and 1: held by %v, want %v", held, want)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	orders := harness.StartInstances(t, "orders", 2)
	blue := orders[0].Registration()
	blue.Tags = []string{"v2", "blue"}
	consul.RegisterAs(blue)
	consul.Register(orders[1])
	gateway := harness.StartGateway(t, harness.Options{Consul: consul.Address(), Policies: `
route "blue" {
  path_prefix = "/blue"
  service     = "orders"
  tags        = ["blue", "v2"]
}
route "green" {
  path_prefix = "/green"
  service     = "orders"
  tags        = ["green"]
}
` + ordersRoute})
	harness.Within(t, harness.Patience, "an untagged route has all", onlyBy(gateway, "/orders", orders...))
	if err := onlyBy(gateway, "/blue", orders[0])(); err != nil {
		t.Errorf("a tagged route: %v", err)
	}
	if err := refused(gateway, "/green", http.StatusServiceUnavailable, "no-healthy-instance")(); err != nil {
		t.Errorf("a tag that nobody has: %v", err)
	}
}
