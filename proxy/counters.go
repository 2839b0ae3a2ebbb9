package proxy

import (
	"sync/atomic"
	"time"
)

// DurationBounds are the upper bounds of the latency histogram's buckets.
var DurationBounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// classes counts the status classes: 0 for what has none, then 1xx to 5xx.
const classes = 6

// RouteMetrics are the figures of one route, as plain atomics: the request path
// adds, a collector reads.
type RouteMetrics struct {
	Name      string
	requests  [methods][classes]atomic.Uint64
	durations [len(DurationBounds) + 1]atomic.Uint64
	nanos     atomic.Uint64
	bytesIn   atomic.Uint64
	bytesOut  atomic.Uint64
	steps     [stepResultCount]atomic.Uint64
}

// NewRouteMetrics returns zeroed figures for the route of that name.
func NewRouteMetrics(name string) *RouteMetrics { return &RouteMetrics{Name: name} }

func (m *RouteMetrics) observe(x *Exchange, took time.Duration) {
	m.requests[x.Request.Verb][min(classes-1, x.Response.Status/100)].Add(1)
	if x.Response.Tunnel == nil { // a tunnel's length says nothing of latency
		i := 0
		for i < len(DurationBounds) && took > DurationBounds[i] {
			i++
		}
		m.durations[i].Add(1)
		m.nanos.Add(uint64(max(0, took)))
	}
	if x.BytesIn > 0 {
		m.bytesIn.Add(uint64(x.BytesIn))
	}
	m.bytesOut.Add(uint64(max(0, x.BytesOut)))
}

// EachRequestCount calls f for every method and status class that was seen.
// class is 1 to 5, or 0 for exchanges that ended without a status.
func (m *RouteMetrics) EachRequestCount(f func(method Method, class int, n uint64)) {
	for v := range m.requests {
		for c := range m.requests[v] {
			if n := m.requests[v][c].Load(); n > 0 {
				f(Method(v), c, n)
			}
		}
	}
}

// Requests counts the requests of all methods, and those of them that were
// answered by a status of 500 or more.
func (m *RouteMetrics) Requests() (all, failed uint64) {
	m.EachRequestCount(func(_ Method, class int, n uint64) {
		all += n
		if class == classes-1 {
			failed += n
		}
	})
	return all, failed
}

// Durations returns the histogram: how many requests took at most each bound,
// cumulated, how many there are, and the sum of their times.
func (m *RouteMetrics) Durations() (cumulative [len(DurationBounds)]uint64, count uint64, sum time.Duration) {
	for i := range m.durations {
		count += m.durations[i].Load()
		if i < len(cumulative) {
			cumulative[i] = count //nolint:gosec // the line above bounds it
		}
	}
	return cumulative, count, time.Duration(m.nanos.Load()) //nolint:gosec // 292 years
}

// Bytes returns the body bytes received from and sent to clients.
func (m *RouteMetrics) Bytes() (in, out uint64) { return m.bytesIn.Load(), m.bytesOut.Load() }

// EachAnswerCount calls f for every kind of answer that the gateway made.
func (p *Proxy) EachAnswerCount(f func(problem string, n uint64)) {
	sums := make(map[string]uint64, problems)
	for i := range p.answers {
		sums[allProblems[i].Name] += p.answers[i].Load()
	}
	for name, n := range sums {
		if n > 0 {
			f(name, n)
		}
	}
}
