package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/armon/go-metrics"
	"github.com/armon/go-metrics/datadog"
	dto "github.com/prometheus/client_model/go"

	"github.com/lictor/lictor/agent/config"
)

// statsdEvery is how often StatsD is told.
const statsdEvery = 10 * time.Second

// statsd tells StatsD servers what /v1/metrics shows: the same names with a dot
// behind the prefix, counters as what was added since the last time.
type statsd struct {
	sinks  []metrics.MetricSink
	prefix string
	last   map[string]float64 // counters by name and labels
}

// newStatsd returns nil when no server is configured.
func newStatsd(t config.Telemetry, node string) (*statsd, error) {
	s := &statsd{prefix: t.MetricsPrefix, last: map[string]float64{}}
	if t.StatsdAddress != "" {
		sink, err := metrics.NewStatsdSink(t.StatsdAddress)
		if err != nil {
			return nil, fmt.Errorf("statsd: %w", err)
		}
		s.sinks = append(s.sinks, sink)
	}
	if t.DogstatsdAddr != "" {
		sink, err := datadog.NewDogStatsdSink(t.DogstatsdAddr, node)
		if err != nil {
			return nil, fmt.Errorf("dogstatsd: %w", err)
		}
		s.sinks = append(s.sinks, sink)
	}
	if len(s.sinks) == 0 {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	return s, nil
}

// feedStatsd runs until ctx is done, and tells once more at the end.
func (a *Agent) feedStatsd(ctx context.Context) {
	if a.statsd == nil {
		return
	}
	tick := time.NewTicker(statsdEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.tellStatsd()
			for _, s := range a.statsd.sinks {
				if c, ok := s.(interface{ Shutdown() }); ok {
					c.Shutdown()
				}
			}
			return
		case <-tick.C:
			a.tellStatsd()
		}
	}
}

func (a *Agent) tellStatsd() {
	families, err := a.registry.Gather()
	if err != nil {
		a.log.Error("gathering metrics", "error", err)
	}
	a.statsd.tell(families)
}

func (s *statsd) tell(families []*dto.MetricFamily) {
	seen := make(map[string]float64, len(s.last))
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), s.prefix+"_")
		if !ours {
			continue // the runtime's own
		}
		for _, m := range f.GetMetric() {
			s.metric(seen, f.GetType(), name, m)
		}
	}
	s.last = seen // series that are gone are forgotten
}

func (s *statsd) metric(seen map[string]float64, t dto.MetricType, name string, m *dto.Metric) {
	labels := make([]metrics.Label, 0, len(m.GetLabel()))
	id := name
	for _, l := range m.GetLabel() {
		labels = append(labels, metrics.Label{Name: l.GetName(), Value: l.GetValue()})
		id += "\x00" + l.GetValue()
	}
	switch t {
	case dto.MetricType_COUNTER:
		s.count(seen, id, name, m.GetCounter().GetValue(), labels)
	case dto.MetricType_GAUGE:
		for _, sink := range s.sinks {
			sink.SetGaugeWithLabels([]string{s.prefix, name}, float32(m.GetGauge().GetValue()), labels)
		}
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		s.count(seen, id+"\x00n", name+"_count", float64(h.GetSampleCount()), labels)
		s.count(seen, id+"\x00s", name+"_sum", h.GetSampleSum(), labels)
	default: // there are no others
	}
}

func (s *statsd) count(seen map[string]float64, id, name string, now float64, labels []metrics.Label) {
	seen[id] = now
	if d := now - s.last[id]; d > 0 {
		for _, sink := range s.sinks {
			sink.IncrCounterWithLabels([]string{s.prefix, name}, float32(d), labels)
		}
	}
}
