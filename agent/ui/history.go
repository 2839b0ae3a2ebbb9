package ui

import (
	"math"
	"strconv"
	"time"

	"github.com/lictor/lictor/proxy"
)

// Bounds of the history.
const (
	// Step is how often counters are read.
	Step = time.Second
	// kept is how many steps are remembered: five minutes.
	kept = 300
	// mostSeries bounds the memory: routes and limits beyond have none. One takes
	// about 6 KiB, once it has seen a request.
	mostSeries = 2000
)

// width is how many numbers a point has at most.
const width = 5

// point is what happened in one step. Of a route: requests, answers of 400 to 499,
// those of 500 and more, all per second, and the median and the 99th percentile of
// their time in milliseconds, negative when nobody knows. Of a limit: allowed,
// denied, delayed and would-be denied ones per second.
type point [width]float32

// series is the history of one route or limit.
type series struct {
	seen   uint64 // the last step in which it was there
	points []point
	next   int // where the next one goes, once there are kept of them
	idle   int // steps since there was something; points are dropped after kept
	last   point
	first  bool // there is nothing to compare with yet

	metrics   *proxy.RouteMetrics
	all       uint64
	bad4      uint64
	bad5      uint64
	durations histogram
	limit     LimitCounters
	decisions [4]uint64
}

// histogram counts by bucket, not cumulated; the last one has no upper bound.
type histogram [len(proxy.DurationBounds) + 1]uint64

func (h *histogram) read(m *proxy.RouteMetrics) {
	cumulative, count, _ := m.Durations()
	before := uint64(0)
	for i, n := range cumulative {
		h[i], before = n-before, n
	}
	h[len(cumulative)] = count - before
}

// since returns what was added to was.
func (h *histogram) since(was *histogram) (added histogram) {
	for i := range h {
		added[i] = h[i] - min(was[i], h[i])
	}
	return added
}

// quantile estimates one, in milliseconds, as Prometheus does: evenly spread
// within a bucket, and the last bound for what lies beyond. It is negative when
// there is nothing to estimate from.
func (h *histogram) quantile(q float64) float32 {
	total := uint64(0)
	for _, n := range h {
		total += n
	}
	if total == 0 {
		return -1
	}
	rank, below := q*float64(total), 0.0
	for i, bound := range proxy.DurationBounds {
		n := float64(h[i])
		if below+n >= rank && n > 0 {
			low := 0.0
			if i > 0 {
				low = millis(proxy.DurationBounds[i-1])
			}
			return float32(low + (millis(bound)-low)*(rank-below)/n)
		}
		below += n
	}
	return float32(millis(proxy.DurationBounds[len(proxy.DurationBounds)-1]))
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// push remembers a point. A series that has seen nothing takes no memory.
func (s *series) push(p point, idle bool) {
	s.last = p
	if s.points == nil {
		if idle {
			return
		}
		s.points = make([]point, 0, kept)
	}
	if idle {
		if s.idle++; s.idle >= kept {
			s.points, s.next, s.idle = nil, 0, 0
			return
		}
	} else {
		s.idle = 0
	}
	if len(s.points) < kept {
		s.points = append(s.points, p)
		return
	}
	s.points[s.next] = p
	s.next = (s.next + 1) % kept
}

// appendJSON appends the points, the oldest first; one in which nothing happened
// is 0.
func (s *series) appendJSON(b []byte) []byte {
	b = append(b, '[')
	for i := range s.points {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.points[(s.next+i)%len(s.points)].appendJSON(b, s.metrics != nil)
	}
	return append(b, ']')
}

func (p point) idle() bool { return p[0] == 0 && p[1] == 0 && p[2] == 0 && p[3] <= 0 }

func (p point) appendJSON(b []byte, route bool) []byte {
	if p.idle() {
		return append(b, '0')
	}
	n := 4
	if route {
		n = 5
	}
	b = append(b, '[')
	for i, v := range p[:n] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRounded(b, v)
	}
	return append(b, ']')
}

// appendRounded appends a number with three digits of meaning, or one behind the
// point.
func appendRounded(b []byte, v float32) []byte {
	f := float64(v)
	if a := math.Abs(f); a >= 100 {
		return strconv.AppendFloat(b, math.Round(f), 'f', -1, 64)
	}
	return strconv.AppendFloat(b, math.Round(f*100)/100, 'f', -1, 64)
}

// history are the series of all routes and limits. One goroutine at a time has it.
type history struct {
	step   uint64
	routes map[string]*series
	limits map[string]*series
	// total adds all routes up.
	total series
}

func newHistory() *history {
	return &history{routes: map[string]*series{}, limits: map[string]*series{}, total: series{metrics: &proxy.RouteMetrics{}}}
}

// record takes down what has happened in the time since the last call.
func (h *history) record(c Counted, took time.Duration) {
	h.step++
	per := float32(1)
	if took > 0 {
		per = float32(float64(time.Second) / float64(took))
	}
	var sum point
	var times histogram
	for _, m := range c.Routes {
		s := h.series(h.routes, m.Name)
		if s == nil {
			continue
		}
		if s.metrics != m { // another one of that name
			*s = series{metrics: m, first: true}
		}
		s.seen = h.step
		p, added := s.route(per)
		s.push(p, p.idle())
		for i := range 3 {
			sum[i] += p[i]
		}
		for i := range times {
			times[i] += added[i]
		}
	}
	sum[3], sum[4] = times.quantile(0.5), times.quantile(0.99)
	h.total.push(sum, sum.idle())
	for _, l := range c.Limits {
		s := h.series(h.limits, l.Name)
		if s == nil {
			continue
		}
		if s.limit.Counters != l.Counters {
			*s = series{limit: l, first: true}
		}
		s.seen = h.step
		p := s.decided(per)
		s.push(p, p.idle())
	}
	for _, all := range []map[string]*series{h.routes, h.limits} {
		for name, s := range all {
			if s.seen != h.step {
				delete(all, name)
			}
		}
	}
}

// series returns the one of that name; nil when there are too many.
func (h *history) series(all map[string]*series, name string) *series {
	s := all[name]
	if s == nil && len(h.routes)+len(h.limits) < mostSeries {
		s = &series{}
		all[name] = s
	}
	return s
}

// route reads the counters of a route.
func (s *series) route(per float32) (p point, added histogram) {
	var all, bad4, bad5 uint64
	s.metrics.EachRequestCount(func(_ proxy.Method, class int, n uint64) {
		all += n
		switch class {
		case 4:
			bad4 += n
		case 5:
			bad5 += n
		}
	})
	var now histogram
	now.read(s.metrics)
	if !s.first {
		added = now.since(&s.durations)
		p = point{
			float32(all-s.all) * per, float32(bad4-s.bad4) * per, float32(bad5-s.bad5) * per,
			added.quantile(0.5), added.quantile(0.99),
		}
	} else {
		p[3], p[4] = -1, -1
	}
	s.first, s.all, s.bad4, s.bad5, s.durations = false, all, bad4, bad5, now
	return p, added
}

// decided reads the counters of a limit.
func (s *series) decided(per float32) (p point) {
	c := s.limit.Counters
	now := [4]uint64{c.Allowed.Load(), c.Denied.Load(), c.Delayed.Load(), c.WouldDeny.Load()}
	if !s.first {
		for i := range now {
			p[i] = float32(now[i]-s.decisions[i]) * per
		}
	}
	s.first, s.decisions = false, now
	return p
}
