//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// TestExplain asks what would become of requests, from the outside: the answers name
// the key, the quota, the failing check and the instance that a request then gets;
// and asking costs nothing.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, handful+ordersRoute)
	g := w.gateway
	explain := func(code int, args ...string) string {
		t.Helper()
		r := g.Run(append([]string{"explain"}, args...)...)
		if r.Code != code || r.Stderr != "" {
			t.Fatalf("lictor explain %q ended with %d: %s%s", args, r.Code, r.Stdout, r.Stderr)
		}
		return r.Stdout
	}
	says := func(text string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
	for range 10 { // more than the limit lets through
		says(explain(0, g.URL("/limited")), "REACHES", "handful passes", "client.ip: 127.0.0.1", "remaining 3")
	}
	if passed, _ := spend(t, g, "/limited"); passed != 3 {
		t.Errorf("%d requests passed after all the asking", passed)
	}
	says(explain(1, g.URL("/limited")), "REFUSED with 429", "handful refuses", "remaining 0", "Retry-After: ")
	says(explain(0, "-from", "203.0.113.9", g.URL("/limited")), "REACHES", "client.ip: 203.0.113.9", "remaining 3")
	says(explain(1, g.URL("/ordres")), "REFUSED with 404", problemType("no-route"))
	says(explain(1, g.URL("/orders/..%2Fadmin")), "REFUSED with 400", "hides a dot segment")

	// Who would be asked is who is.
	harness.Within(t, harness.Patience, "nothing is in flight", idle(g))
	for range 6 {
		var v struct {
			Outcome  struct{ Reaches bool }
			Upstream struct{ Pick string }
		}
		if err := json.Unmarshal([]byte(explain(0, "-json", g.URL("/orders/1"))), &v); err != nil {
			t.Fatal(err)
		}
		if a := g.Get("/orders/1"); a.Status != http.StatusOK || !strings.HasSuffix(v.Upstream.Pick, "/"+a.Instance()) {
			t.Errorf("%q has answered, foretold was %q", a.Instance(), v.Upstream.Pick)
		}
		harness.Within(t, harness.Patience, "the instance is given back", idle(g))
	}

	// The failing check says so, and nobody is left.
	w.consul.Report(w.orders[0], "critical")
	harness.Within(t, harness.Patience, "one instance is told to fail", func() error {
		r := g.Run("explain", g.URL("/orders"))
		if r.Code != 0 || !strings.Contains(r.Stdout, w.orders[0].ID+" at ") || !strings.Contains(r.Stdout, "ineligible, critical") {
			return fmt.Errorf("%d: %s", r.Code, r.Stdout)
		}
		return nil
	})
	w.consul.Deregister(w.orders...)
	harness.Within(t, harness.Patience, "nobody is left", func() error {
		r := g.Run("explain", g.URL("/orders"))
		if r.Code != 1 || !strings.Contains(r.Stdout, problemType("service-not-registered")) {
			return fmt.Errorf("%d: %s", r.Code, r.Stdout)
		}
		return nil
	})

	// What was asked about has left no line.
	if a := g.Get("/last"); a.Status != http.StatusNotFound {
		t.Errorf("the last request: %d", a.Status)
	}
	harness.Within(t, harness.Patience, "the log is complete", func() error {
		lines, err := g.AccessLog()
		if err != nil {
			return err
		}
		complete := false
		for _, l := range lines {
			complete = complete || l["path"] == "/last"
			if l["client"] != "127.0.0.1" || l["path"] == "/ordres" {
				t.Fatalf("a line about a request that nobody has sent: %v", l)
			}
		}
		if !complete {
			return fmt.Errorf("%d lines", len(lines))
		}
		return nil
	})
}

// idle reports an error while the gateway has anything in flight.
func idle(g *harness.Gateway) func() error {
	return func() error {
		_, body, err := g.AdminGet("/v1/services")
		if err != nil {
			return err
		}
		var v struct {
			Services []struct {
				InFlight int `json:"in_flight"`
			}
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return err
		}
		for _, s := range v.Services {
			if s.InFlight > 0 {
				return fmt.Errorf("%d in flight", s.InFlight)
			}
		}
		return nil
	}
}
