package harness

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// Metric returns the sum of the series of a metric that have all of the labels,
// each "name=value".
func (g *Gateway) Metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	status, body, err := g.AdminGet("/v1/metrics?format=json")
	if err != nil || status != http.StatusOK {
		t.Fatalf("metrics: %d %v", status, err)
	}
	var all struct {
		Metrics []struct {
			Name   string
			Series []struct {
				Labels map[string]string
				Value  float64
			}
		}
	}
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("decoding the metrics: %v", err)
	}
	sum, found := 0.0, false
	for _, m := range all.Metrics {
		if m.Name != name {
			continue
		}
		for _, s := range m.Series {
			fits := true
			for _, l := range labels {
				n, v, _ := strings.Cut(l, "=")
				fits = fits && s.Labels[n] == v
			}
			if fits {
				sum, found = sum+s.Value, true
			}
		}
	}
	if !found {
		t.Fatalf("there is no series of %s with %v", name, labels)
	}
	return sum
}
