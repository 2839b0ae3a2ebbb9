package harness

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Metric returns the sum of the series of a metric that have all of the labels,
// each "name=value". It fails the test where there is none.
func (g *Gateway) Metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	sum, err := g.TryMetric(name, labels...)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TryMetric is Metric with an error instead of a failed test, for polling: a series
// begins with the first that it counts.
func (g *Gateway) TryMetric(name string, labels ...string) (float64, error) {
	status, body, err := g.AdminGet("/v1/metrics?format=json")
	if err != nil || status != http.StatusOK {
		return 0, fmt.Errorf("metrics: %d %w", status, err)
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
		return 0, fmt.Errorf("decoding the metrics: %w", err)
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
		return 0, fmt.Errorf("there is no series of %s with %v", name, labels)
	}
	return sum, nil
}
