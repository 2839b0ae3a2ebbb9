package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
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
	sinks  []sink
	prefix string
	last   map[string]float64 // counters by name and labels
}

// sink is one server. The name has its dots already.
type sink interface {
	gauge(name string, labels []*dto.LabelPair, v float64)
	// count tells what was added to a counter. id tells the series apart.
	count(id, name string, labels []*dto.LabelPair, added float64)
	// flush sends what has been told. Series whose id is not among these are
	// gone.
	flush(series map[string]float64) error
	close() error
}

// newStatsd returns nil when no server is configured.
func newStatsd(t config.Telemetry) (*statsd, error) {
	s := &statsd{prefix: t.MetricsPrefix, last: map[string]float64{}}
	if t.StatsdAddress != "" {
		s.sinks = append(s.sinks, &datagrams{address: t.StatsdAddress})
	}
	if t.DogstatsdAddr != "" {
		// Its second argument is a part that it cuts out of names, were it in any.
		d, err := datadog.NewDogStatsdSink(t.DogstatsdAddr, "")
		if err != nil {
			return nil, fmt.Errorf("dogstatsd: %w", err)
		}
		s.sinks = append(s.sinks, &dog{d, map[string]float64{}})
	}
	if len(s.sinks) == 0 {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	return s, nil
}

// close closes what was opened. It may be called on nil.
func (s *statsd) close() {
	if s == nil {
		return
	}
	for _, k := range s.sinks {
		_ = k.close() // nothing is left to do about it
	}
}

// feedStatsd runs until ctx is done, and tells once more at the end.
func (a *Agent) feedStatsd(ctx context.Context) {
	if a.statsd == nil {
		return
	}
	defer a.statsd.close()
	tick := time.NewTicker(statsdEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.tellStatsd()
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
	if err := a.statsd.tell(families); err != nil {
		a.log.Debug("telling StatsD", "error", err)
	}
}

func (s *statsd) tell(families []*dto.MetricFamily) error {
	seen := make(map[string]float64, len(s.last))
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), s.prefix+"_")
		if !ours {
			continue // the runtime's own
		}
		for _, m := range f.GetMetric() {
			s.metric(seen, f.GetType(), s.prefix+"."+name, m)
		}
	}
	s.last = seen // series that are gone are forgotten
	var errs []error
	for _, k := range s.sinks {
		errs = append(errs, k.flush(seen))
	}
	return errors.Join(errs...)
}

func (s *statsd) metric(seen map[string]float64, t dto.MetricType, name string, m *dto.Metric) {
	var id strings.Builder
	id.WriteString(name)
	for _, l := range m.GetLabel() {
		id.WriteString("\x00" + l.GetValue())
	}
	switch t {
	case dto.MetricType_COUNTER:
		s.count(seen, id.String(), name, m.GetCounter().GetValue(), m.GetLabel())
	case dto.MetricType_GAUGE:
		for _, k := range s.sinks {
			k.gauge(name, m.GetLabel(), m.GetGauge().GetValue())
		}
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		s.count(seen, id.String()+"\x00n", name+"_count", float64(h.GetSampleCount()), m.GetLabel())
		s.count(seen, id.String()+"\x00s", name+"_sum", h.GetSampleSum(), m.GetLabel())
	default: // there are no others
	}
}

func (s *statsd) count(seen map[string]float64, id, name string, now float64, labels []*dto.LabelPair) {
	seen[id] = now
	if added := now - s.last[id]; added > 0 {
		for _, k := range s.sinks {
			k.count(id, name, labels, added)
		}
	}
}

// dog is a DogStatsD server. It takes counters in whole numbers: fractions are
// owed until they add up to one.
type dog struct {
	*datadog.DogStatsdSink
	owed map[string]float64
}

func (d *dog) gauge(name string, labels []*dto.LabelPair, v float64) {
	d.SetGaugeWithLabels([]string{name}, float32(v), tags(labels))
}

func (d *dog) count(id, name string, labels []*dto.LabelPair, added float64) {
	whole := math.Floor(added + d.owed[id])
	d.owed[id] += added - whole
	if whole > 0 {
		d.IncrCounterWithLabels([]string{name}, float32(whole), tags(labels))
	}
}

func (d *dog) flush(series map[string]float64) error {
	maps.DeleteFunc(d.owed, func(id string, _ float64) bool { _, ok := series[id]; return !ok })
	return nil
}

func (d *dog) close() error {
	d.Shutdown()
	return nil
}

func tags(labels []*dto.LabelPair) []metrics.Label {
	out := make([]metrics.Label, 0, len(labels))
	for _, l := range labels {
		out = append(out, metrics.Label{Name: l.GetName(), Value: l.GetValue()})
	}
	return out
}
