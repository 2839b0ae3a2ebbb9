package ui

import (
	"math"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/limit"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	bucket := func(counts map[int]uint64) (h histogram) {
		for i, n := range counts {
			h[i] = n
		}
		return h
	}
	for _, test := range []struct {
		h    histogram
		q    float64
		want float64
	}{
		{bucket(nil), 0.5, -1},
		{bucket(map[int]uint64{0: 10}), 0.5, 0.5},           // up to 1 ms, evenly
		{bucket(map[int]uint64{0: 10}), 0.99, 0.99},         //
		{bucket(map[int]uint64{1: 1}), 0.5, 1.75},           // 1 to 2.5 ms
		{bucket(map[int]uint64{0: 50, 3: 50}), 0.5, 1},      // at the edge
		{bucket(map[int]uint64{0: 50, 3: 50}), 0.75, 7.5},   // 5 to 10 ms
		{bucket(map[int]uint64{0: 1, 13: 99}), 0.99, 29798}, // 10 to 30 s
		{bucket(map[int]uint64{14: 5}), 0.5, 30000},         // beyond the last bound
	} {
		if got := test.h.quantile(test.q); math.Abs(float64(got)-test.want) > 0.01*math.Abs(test.want) {
			t.Errorf("%v of %v: %v, want %v", test.q, test.h, got, test.want)
		}
	}
}

func TestHistoryOfLimits(t *testing.T) {
	t.Parallel()
	counters := &limit.Counters{}
	counted := Counted{Limits: []LimitCounters{{"per_ip", counters}}}
	h := newHistory()
	counters.Allowed.Add(100) // before anybody looked
	h.record(counted, time.Second)
	if s := h.limits["per_ip"]; s.points != nil || s.last != (point{}) {
		t.Errorf("what was before counts: %v", s.last)
	}
	counters.Allowed.Add(10)
	counters.Denied.Add(4)
	counters.Delayed.Add(2)
	counters.WouldDeny.Add(6)
	h.record(counted, 2*time.Second)
	if s := h.limits["per_ip"]; s.last != (point{5, 2, 1, 3}) || string(s.appendJSON(nil)) != "[[5,2,1,3]]" {
		t.Errorf("%v", s.last)
	}
	h.record(counted, time.Second)
	if got := string(h.limits["per_ip"].appendJSON(nil)); got != "[[5,2,1,3],0]" {
		t.Errorf("%s", got)
	}
	// Another limit of that name begins anew.
	h.record(Counted{Limits: []LimitCounters{{"per_ip", &limit.Counters{}}}}, time.Second)
	if s := h.limits["per_ip"]; s.points != nil || s.last != (point{}) {
		t.Errorf("%v", s.last)
	}
	h.record(Counted{}, time.Second)
	if len(h.limits) != 0 {
		t.Errorf("%v stays", h.limits)
	}
}

// Only so much is remembered, the oldest goes first, and what has long been
// quiet takes no memory.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	s := &series{}
	for i := range kept + 5 {
		s.push(point{float32(i + 1)}, false)
	}
	if len(s.points) != kept || s.points[s.next][0] != 6 {
		t.Errorf("%d points, the oldest %v", len(s.points), s.points[s.next])
	}
	for range kept {
		s.push(point{}, true)
	}
	if s.points != nil {
		t.Error("nothing is remembered for ever")
	}
	h := newHistory()
	var c Counted
	for i := range mostSeries + 10 {
		c.Routes = append(c.Routes, proxy.NewRouteMetrics(time.Duration(i).String()))
	}
	h.record(c, time.Second)
	if len(h.routes) != mostSeries {
		t.Errorf("%d series", len(h.routes))
	}
}

func TestRounding(t *testing.T) {
	t.Parallel()
	for v, want := range map[float32]string{0: "0", 0.123: "0.12", 3.14159: "3.14", 99.999: "100", 1234.5: "1235", -1: "-1", 1e9: "1000000000"} {
		if got := string(appendRounded(nil, v)); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	var c Counted
	for i := range 200 {
		c.Routes = append(c.Routes, proxy.NewRouteMetrics(time.Duration(i).String()))
	}
	h := newHistory()
	b.ReportAllocs()
	for b.Loop() {
		h.record(c, time.Second)
	}
}
