//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// An instance that is down and still listed costs nobody a request, POST
// included: a refused connection has sent nothing.
func TestRefusedConnectionIsRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, ordersRoute)
	w.orders[0].Close()
	for n := range 20 {
		a := w.gateway.Do(http.MethodPost, "/orders", strings.NewReader("x"))
		if a.Status != http.StatusOK {
			t.Fatalf("request %d: status %d: %s", n, a.Status, a.Body)
		}
	}
	for _, i := range w.orders[1:] {
		i.Close()
	}
	a := w.gateway.Get("/orders")
	if a.Status != http.StatusBadGateway && a.Status != http.StatusServiceUnavailable {
		t.Errorf("with all instances down: %d", a.Status)
	}
	if a.Status == http.StatusBadGateway && a.Problem(t).Type != problemType("instance-refused") {
		t.Errorf("with all instances down: %s", a.Body)
	}
}

// An instance that breaks off has perhaps done what was asked: GET is tried
// elsewhere, POST never.
func TestBrokenAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, ordersRoute)
	ledger := &harness.Ledger{}
	for _, i := range w.orders {
		i.Record(ledger)
		i.Handle("/orders/both", hangUp)
	}
	w.orders[0].Handle("/orders/break", hangUp)
	for n := range 10 {
		a := w.gateway.Get("/orders/break")
		if a.Status != http.StatusOK || a.Instance() != "orders-2" {
			t.Errorf("GET %d: status %d from %q: %s", n, a.Status, a.Instance(), a.Body)
		}
	}
	for n := range 4 {
		id := fmt.Sprintf("post-%d", n)
		a := w.gateway.Do(http.MethodPost, "/orders/both", strings.NewReader("x"), harness.IDField+": "+id)
		if a.Status != http.StatusBadGateway && a.Status != http.StatusServiceUnavailable {
			t.Errorf("POST %d: status %d: %s", n, a.Status, a.Body)
		}
	}
	if twice := ledger.Repeated(); len(twice) > 0 {
		t.Errorf("sent twice: %v", twice)
	}
}

// hangUp closes the connection after the request was read.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute+`
route "hasty" {
  path_prefix = "/hasty"
  service     = "orders"
  timeout     = "200ms"
}
`)
	gate := newGate(t, "/hasty/hold", w.orders...)
	t.Cleanup(gate.Open)
	a := w.gateway.Do(http.MethodPost, "/hasty/hold", strings.NewReader("x"))
	if a.Status != http.StatusGatewayTimeout {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	if p := a.Problem(t); p.Type != problemType("instance-timeout") {
		t.Errorf("problem %+v", p)
	}
	if a := w.gateway.Get("/orders/quick"); a.Status != http.StatusOK {
		t.Errorf("a quick request afterwards: %d: %s", a.Status, a.Body)
	}
	// By the same route the machine may take too long now and then, too.
	harness.Within(t, harness.Patience, "the same route answers a quick request", func() error {
		if a := w.gateway.Get("/hasty/quick"); a.Status != http.StatusOK {
			return fmt.Errorf("%d: %s", a.Status, a.Body)
		}
		return nil
	})
}
