package proxy

import "sync/atomic"

// PassageMetrics are the figures of one route for passages, as plain atomics.
type PassageMetrics struct {
	Name string
	// BytesIn and BytesOut count what has come from clients and gone to them, while
	// it passes.
	BytesIn, BytesOut atomic.Uint64

	open    atomic.Int64
	results [len(passageResults)]atomic.Uint64
}

// NewPassageMetrics returns zeroed figures for the route of that name.
func NewPassageMetrics(name string) *PassageMetrics { return &PassageMetrics{Name: name} }

// How a passage ended.
const (
	passageEnded     = iota // by those who had it
	passageBroken           // by a failure, silence or the end of the gateway
	passageDenied           // it may not come, or not so often
	passageFailed           // no instance could be had
	passageUnmatched        // no route takes it
)

// passageResults are the values of a metric's label.
var passageResults = [...]string{
	passageEnded: "ended", passageBroken: "broken", passageDenied: "denied", passageFailed: "failed", passageUnmatched: "unmatched",
}

// passageResult says how a passage ended.
func (x *Exchange) passageResult() int {
	switch {
	case x.Route == nil:
		return passageUnmatched
	case x.Problem != nil && x.Endpoint == nil && x.Problem.Status < 500:
		return passageDenied
	case x.Problem != nil: // nobody has heard it, however well it was told
		return passageFailed
	case x.complete:
		return passageEnded
	case x.headOut:
		return passageBroken
	}
	return passageFailed
}

// Open counts the passages of the route that are under way.
func (m *PassageMetrics) Open() int64 { return m.open.Load() }

// EachResult calls f for every way in which passages have ended.
func (m *PassageMetrics) EachResult(f func(result string, n uint64)) {
	for i := range m.results {
		if n := m.results[i].Load(); n > 0 {
			f(passageResults[i], n)
		}
	}
}

// Passages counts those that have ended, and those of them that failed for want of
// an instance or were broken off.
func (m *PassageMetrics) Passages() (all, failed uint64) {
	m.EachResult(func(result string, n uint64) {
		all += n
		if result == passageResults[passageFailed] || result == passageResults[passageBroken] {
			failed += n
		}
	})
	return all, failed
}
