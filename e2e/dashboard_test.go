//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// dashboard is what matters here of Grafana's.
type dashboard struct {
	Panels []struct {
		Title, Type string
		Targets     []struct{ Expr string }
	}
}

// TestDashboardAndAlerts has a real Prometheus scrape a gateway that has gone
// through something of everything, and wants data for each query of each panel.
// Alerts are tried in virtual time by promtool; here none may fire but what was
// provoked.
func TestDashboardAndAlerts(t *testing.T) {
	t.Parallel()
	rules, err := filepath.Abs("../dist/prometheus/lictor.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	harness.Promtool(t, filepath.Dir(rules), "check", "rules", filepath.Base(rules))
	harness.Promtool(t, filepath.Dir(rules), "test", "rules", "lictor.rules.test.yml")

	key := harness.NewKey(t, "ES256", "main")
	keys := filepath.Join(t.TempDir(), "keys.json")
	write(t, keys, harness.KeySet(t, key))
	w := newWorld(t, 2, ordersRoute+provider("main", localKeys(keys), "")+`
limit "token_bucket" "small" {
  rate  = "1/h"
  burst = 1
  key   = [client.ip]
}
route "limited" {
  path_prefix = "/limited"
  service     = "orders"
  limits      = ["small"]
}
route "private" {
  path_prefix = "/private"
  service     = "orders"
  jwt { provider = "main" }
}
`)
	harness.Within(t, harness.Patience, "both serve", onlyBy(w.gateway, "/orders", w.orders...))
	prometheus := harness.StartPrometheus(t, w.gateway, rules)

	// An instance that nobody listens at has requests tried again.
	nobody, err := process.FreePorts(1) // no other test's instance gets it meanwhile
	if err != nil {
		t.Fatal(err)
	}
	w.consul.RegisterAs(datacenter.Registration{ID: "orders-dead", Name: "orders", Address: "127.0.0.1", Port: nobody[0]})
	load := harness.Load{URL: w.gateway.URL("/orders"), Workers: 4}.Start(t)
	w.gateway.Reload()

	text, err := os.ReadFile("../dist/grafana/lictor.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, panel := range d.Panels {
		if panel.Type == "row" {
			continue
		}
		if len(panel.Targets) == 0 {
			t.Errorf("the panel %q asks nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			queries++
			// Grafana's variables: all gateways, and an interval of a few scrapes.
			expr := strings.NewReplacer("$__rate_interval", "10s", "$instance", ".*").Replace(target.Expr)
			harness.Within(t, 2*harness.Patience, fmt.Sprintf("the panel %q has data", panel.Title), func() error {
				w.gateway.Get("/limited")
				if _, err := w.gateway.Try(http.MethodGet, "/private", nil, "Authorization: Bearer not.a.token"); err != nil {
					return err
				}
				n, err := prometheus.Query(expr)
				if err == nil && n == 0 {
					err = fmt.Errorf("no data for %s", expr)
				}
				return err
			})
		}
	}
	if queries < 20 {
		t.Errorf("%d queries in all", queries)
	}
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}
	if a := w.gateway.Get("/limited"); a.Status != http.StatusTooManyRequests {
		t.Errorf("the limit did not do its part: %d", a.Status)
	}
	if n, err := prometheus.Query(`ALERTS{alertstate="firing"}`); err != nil || n != 0 {
		t.Errorf("%d alerts fire, %v", n, err)
	}
}
