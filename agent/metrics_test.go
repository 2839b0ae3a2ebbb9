package agent

import (
	"testing"

	"github.com/armon/go-metrics"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lictor/lictor/agent/config"
)

// recorder is a sink that remembers what it was told last, by name and labels.
type recorder struct {
	metrics.BlackholeSink
	counters, gauges map[string]float32
}

func (r *recorder) IncrCounterWithLabels(key []string, v float32, labels []metrics.Label) {
	r.counters[series(key, labels)] += v
}

func (r *recorder) SetGaugeWithLabels(key []string, v float32, labels []metrics.Label) {
	r.gauges[series(key, labels)] = v
}

func series(key []string, labels []metrics.Label) string {
	s := ""
	for i, k := range key {
		if i > 0 {
			s += "."
		}
		s += k
	}
	for _, l := range labels {
		s += "," + l.Name + "=" + l.Value
	}
	return s
}

func TestStatsdIsToldWhatWasAdded(t *testing.T) {
	reg := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lictor_requests_total"}, []string{"route"})
	open := prometheus.NewGauge(prometheus.GaugeOpts{Name: "lictor_generation"})
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "lictor_seconds", Buckets: []float64{1}})
	foreign := prometheus.NewCounter(prometheus.CounterOpts{Name: "go_things_total"})
	reg.MustRegister(requests, open, took, foreign)
	sink := &recorder{counters: map[string]float32{}, gauges: map[string]float32{}}
	s := &statsd{sinks: []metrics.MetricSink{sink}, prefix: "lictor", last: map[string]float64{}}
	tell := func() {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		s.tell(families)
	}
	want := func(m map[string]float32, name string, v float32) {
		t.Helper()
		if m[name] != v {
			t.Errorf("%s is %v, want %v; all: %v", name, m[name], v, m)
		}
	}

	requests.WithLabelValues("a").Add(3)
	foreign.Inc()
	open.Set(2)
	took.Observe(0.5)
	tell()
	want(sink.counters, "lictor.requests_total,route=a", 3)
	want(sink.gauges, "lictor.generation", 2)
	want(sink.counters, "lictor.seconds_count", 1)
	want(sink.counters, "lictor.seconds_sum", 0.5)
	if _, ok := sink.counters["lictor.go_things_total"]; ok || len(sink.counters) != 3 {
		t.Errorf("the runtime's own metrics were told: %v", sink.counters)
	}

	requests.WithLabelValues("a").Add(4)
	tell()
	want(sink.counters, "lictor.requests_total,route=a", 7)

	requests.DeleteLabelValues("a") // the route is gone; one of its name comes back
	tell()
	requests.WithLabelValues("a").Add(1)
	tell()
	want(sink.counters, "lictor.requests_total,route=a", 8)
}

func TestStatsdUnconfigured(t *testing.T) {
	s, err := newStatsd(config.Telemetry{MetricsPrefix: "lictor"}, "edge")
	if s != nil || err != nil {
		t.Errorf("got %v, %v", s, err)
	}
}
