package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy/step/limit"
)

// HeldInfo is how a key of an adaptive limit stands: a service, or a route.
type HeldInfo struct {
	Key      string `json:"key"`
	Limit    int64  `json:"limit"` // at present
	InFlight int64  `json:"in_flight"`
	// ShortMS is how long answers took in the last window, LongMS how long they
	// usually take; 0 for not known yet.
	ShortMS float64 `json:"short_ms"`
	LongMS  float64 `json:"long_ms"`
}

// held tells of a limit what is in flight, and what it has learned.
func (a *Agent) held(l *limit.Limit, v *LimitInfo) {
	h, ok := l.Limiter.(limits.Holder)
	if !ok {
		return
	}
	n := h.InFlight()
	v.InFlight = &n
	for _, s := range h.Held(a.clock.Now()) {
		v.Adaptive = append(v.Adaptive, HeldInfo{
			Key: limit.KeyText(s.Key), Limit: s.Limit, InFlight: s.InFlight,
			ShortMS: 1000 * s.Short.Seconds(), LongMS: 1000 * s.Long.Seconds(),
		})
	}
}

// holders are the metrics of limits of what is in flight.
type holders struct{ inFlight, limit, rtt *prometheus.Desc }

func newHolders(desc func(name, help string, labels ...string) *prometheus.Desc) holders {
	return holders{
		inFlight: desc("limit_in_flight", "What is in flight, as a limit counts it.", "limit"),
		limit:    desc("limit_adaptive", "What an adaptive limit allows in flight at present.", "limit", "key"),
		rtt:      desc("limit_rtt_seconds", "How long answers take, lately (short) and usually (long), as an adaptive limit sees it.", "limit", "key", "window"),
	}
}

func (m *holders) collect(out chan<- prometheus.Metric, l *limit.Limit, now limits.Time) {
	h, ok := l.Limiter.(limits.Holder)
	if !ok {
		return
	}
	gauge(out, m.inFlight, float64(h.InFlight()), l.Spec.Name)
	for _, s := range h.Held(now) {
		key := limit.KeyText(s.Key)
		gauge(out, m.limit, float64(s.Limit), l.Spec.Name, key)
		gauge(out, m.rtt, s.Short.Seconds(), l.Spec.Name, key, "short")
		gauge(out, m.rtt, s.Long.Seconds(), l.Spec.Name, key, "long")
	}
}
