package agent

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/lictor/lictor/agent/config"
)

// recorder is a sink that remembers what it was told last, by name and labels.
type recorder struct{ counters, gauges map[string]float64 }

func (r *recorder) count(_, name string, labels []*dto.LabelPair, added float64) {
	r.counters[series(name, labels)] += added
}

func (r *recorder) gauge(name string, labels []*dto.LabelPair, v float64) {
	r.gauges[series(name, labels)] = v
}

func (*recorder) flush(map[string]float64) error { return nil }
func (*recorder) close() error                   { return nil }

func series(name string, labels []*dto.LabelPair) string {
	for _, l := range labels {
		name += "," + l.GetName() + "=" + l.GetValue()
	}
	return name
}

func TestStatsdIsToldWhatWasAdded(t *testing.T) {
	reg := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lictor_requests_total"}, []string{"route"})
	open := prometheus.NewGauge(prometheus.GaugeOpts{Name: "lictor_generation"})
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "lictor_seconds", Buckets: []float64{1}})
	foreign := prometheus.NewCounter(prometheus.CounterOpts{Name: "go_things_total"})
	reg.MustRegister(requests, open, took, foreign)
	told := &recorder{counters: map[string]float64{}, gauges: map[string]float64{}}
	s := &statsd{sinks: []sink{told}, prefix: "lictor", last: map[string]float64{}}
	tell := func() {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.tell(families); err != nil {
			t.Fatal(err)
		}
	}
	want := func(m map[string]float64, name string, v float64) {
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
	want(told.counters, "lictor.requests_total,route=a", 3)
	want(told.gauges, "lictor.generation", 2)
	want(told.counters, "lictor.seconds_count", 1)
	want(told.counters, "lictor.seconds_sum", 0.5)
	if _, ok := told.counters["lictor.go_things_total"]; ok || len(told.counters) != 3 {
		t.Errorf("the runtime's own metrics were told: %v", told.counters)
	}

	requests.WithLabelValues("a").Add(4)
	tell()
	want(told.counters, "lictor.requests_total,route=a", 7)

	requests.DeleteLabelValues("a") // the route is gone; one of its name comes back
	tell()
	requests.WithLabelValues("a").Add(1)
	tell()
	want(told.counters, "lictor.requests_total,route=a", 8)
}

func TestStatsdUnconfigured(t *testing.T) {
	s, err := newStatsd(config.Telemetry{MetricsPrefix: "lictor"})
	if s != nil || err != nil {
		t.Errorf("got %v, %v", s, err)
	}
}
