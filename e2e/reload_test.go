//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

func TestReloadUnderLoad(t *testing.T) {
	w, ledger, load := underLoad(t, 2)
	for n := range 20 {
		load.WaitFor(load.Sent() + 100)
		w.gateway.WritePolicies(ordersRoute + fmt.Sprintf(`
route "extra" {
  path    = "/extra/%d"
  service = "orders"
}
limit "token_bucket" "wide" {
  rate  = "%d/s"
  burst = 1000000
}
defaults {
  limits = ["wide"]
}
`, n, 100_000+n))
		w.gateway.Reload()
		if a := w.gateway.Get(fmt.Sprintf("/extra/%d", n)); a.Status != http.StatusOK {
			t.Errorf("reload %d: its route answers %d: %s", n, a.Status, a.Body)
		}
		if n > 0 {
			if a := w.gateway.Get(fmt.Sprintf("/extra/%d", n-1)); a.Status != http.StatusNotFound {
				t.Errorf("reload %d: the route before answers %d: %s", n, a.Status, a.Body)
			}
		}
	}
	load.WaitFor(enough)
	settle(t, load, ledger)
}

func TestReloadKeepsTunnelsAndHeldRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	gate := newGate(t, "/orders/hold", w.orders...)
	_, answers := gate.hold(t, w.gateway, "/orders/hold", 3)
	w.gateway.WritePolicies(strings.ReplaceAll(ordersRoute, "/orders", "/elsewhere"))
	w.gateway.Reload()
	if a := w.gateway.Get("/orders"); a.Status != http.StatusNotFound {
		t.Errorf("the route that is gone answers %d", a.Status)
	}
	gate.Open()
	for range 3 {
		if a := <-answers; a.Status != http.StatusOK {
			t.Errorf("a request from before the reload: %d %s", a.Status, a.Body)
		}
	}
}

func TestReloadBySignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	w.gateway.WritePolicies(strings.ReplaceAll(ordersRoute, "/orders", "/elsewhere"))
	if err := w.gateway.Process().Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "the new route serves", onlyBy(w.gateway, "/elsewhere", w.orders...))
}

func TestReloadByWatch(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	orders := harness.StartInstance(t, "orders", "orders-1")
	consul.Register(orders)
	watched := t.TempDir()
	file := watched + "/routes.hcl"
	if err := os.WriteFile(file, []byte(ordersRoute), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := harness.StartGateway(t, harness.Options{
		Consul:        consul.Address(),
		PoliciesBlock: fmt.Sprintf("paths = [%q]\nwatch = true", watched),
	})
	harness.Within(t, harness.Patience, "the first route serves", onlyBy(gateway, "/orders", orders))
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(ordersRoute, "/orders", "/elsewhere")), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "the changed route serves", onlyBy(gateway, "/elsewhere", orders))
}

func TestRefusedReloadChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	w.gateway.WritePolicies(ordersRoute + `
route "other" {
  path_prefix = "/other"
  service     = "orders"
  limits      = ["nobody"]
  mehtods     = ["GET"]
}
`)
	r := w.gateway.Run("reload")
	printed := r.Stdout + r.Stderr
	if r.Code != 1 {
		t.Errorf("exit code %d instead of 1: %s", r.Code, printed)
	}
	for _, want := range []string{"routes.hcl", "nobody", "mehtods", "methods"} {
		if !strings.Contains(printed, want) {
			t.Errorf("no %q among the diagnostics:\n%s", want, printed)
		}
	}
	if err := onlyBy(w.gateway, "/orders", w.orders...)(); err != nil {
		t.Errorf("the routes from before: %v", err)
	}
	if a := w.gateway.Get("/other"); a.Status != http.StatusNotFound {
		t.Errorf("a route of the refused policies answers %d", a.Status)
	}
	w.gateway.WritePolicies(ordersRoute)
	w.gateway.Reload()
}

func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, ordersRoute)
	gate := newGate(t, "/orders/hold", w.orders...)
	_, answers := gate.hold(t, w.gateway, "/orders/hold", 8)
	if err := w.gateway.Process().Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "the listener closes", func() error {
		if a, err := w.gateway.Try(http.MethodGet, "/orders", nil); err == nil {
			return fmt.Errorf("it still answers: %d", a.Status)
		}
		return nil
	})
	select {
	case <-w.gateway.Process().Done():
		t.Fatal("the gateway ended with requests under way")
	default:
	}
	gate.Open()
	for range 8 {
		if a := <-answers; a.Status != http.StatusOK {
			t.Errorf("a request from before the drain: %d %s", a.Status, a.Body)
		}
	}
	wait(t, "the gateway ends", w.gateway.Process().Done())
	if code := w.gateway.Process().ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// With a delay the gateway says first that it is about to go, so that what is in
// front of it can turn elsewhere.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, harness.Options{Policies: ordersRoute, Config: `
drain {
  delay   = "10m"
  timeout = "1s"
}
`})
	if err := w.gateway.Process().Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "readiness fails", func() error {
		status, body, err := w.gateway.AdminGet("/v1/ready")
		if err == nil && status != http.StatusServiceUnavailable {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
	if a := w.gateway.Get("/orders"); a.Status != http.StatusOK {
		t.Errorf("during the delay: %d %s", a.Status, a.Body)
	}
	if err := w.gateway.Process().Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait(t, "a second signal ends it at once", w.gateway.Process().Done())
}
