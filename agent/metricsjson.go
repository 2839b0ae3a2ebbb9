package agent

import (
	"math"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// MetricInfo is one element of GET /v1/metrics?format=json.
type MetricInfo struct {
	Name   string       `json:"name"`
	Type   string       `json:"type"` // counter, gauge, histogram, summary
	Help   string       `json:"help"`
	Series []SeriesInfo `json:"series"`
}

// SeriesInfo is one series of a MetricInfo. Counters and gauges have a Value,
// the others a Count, a Sum and, for a histogram, how many took at most so much.
type SeriesInfo struct {
	Labels  map[string]string `json:"labels"`
	Value   *float64          `json:"value,omitempty"`
	Count   *uint64           `json:"count,omitempty"`
	Sum     *float64          `json:"sum,omitempty"`
	Buckets []BucketInfo      `json:"buckets,omitempty"`
}

// BucketInfo is one bucket of a histogram, cumulated.
type BucketInfo struct {
	Most  float64 `json:"le"`
	Count uint64  `json:"count"`
}

func metricsJSON(families []*dto.MetricFamily) []MetricInfo {
	out := make([]MetricInfo, 0, len(families))
	for _, f := range families {
		v := MetricInfo{Name: f.GetName(), Type: strings.ToLower(f.GetType().String()), Help: f.GetHelp(), Series: []SeriesInfo{}}
		for _, m := range f.GetMetric() {
			v.Series = append(v.Series, seriesJSON(f.GetType(), m))
		}
		out = append(out, v)
	}
	return out
}

func seriesJSON(t dto.MetricType, m *dto.Metric) SeriesInfo {
	s := SeriesInfo{Labels: map[string]string{}}
	for _, l := range m.GetLabel() {
		s.Labels[l.GetName()] = l.GetValue()
	}
	switch t {
	case dto.MetricType_COUNTER:
		s.Value = number(m.GetCounter().GetValue())
	case dto.MetricType_GAUGE:
		s.Value = number(m.GetGauge().GetValue())
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		s.Count, s.Sum = new(h.GetSampleCount()), number(h.GetSampleSum())
		for _, b := range h.GetBucket() {
			if !math.IsInf(b.GetUpperBound(), 0) { // that is Count
				s.Buckets = append(s.Buckets, BucketInfo{b.GetUpperBound(), b.GetCumulativeCount()})
			}
		}
	case dto.MetricType_SUMMARY:
		s.Count, s.Sum = new(m.GetSummary().GetSampleCount()), number(m.GetSummary().GetSampleSum())
	default: // there are no others
	}
	return s
}

// number returns nil for what JSON has no word for.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
