package limits

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// calendarWindow is the arithmetic of windows of different lengths. A state is, as
// that of a fixedWindow, the index of the window that was charged last and how much
// of it is used. An index is how many steps of the unit had passed since the Unix
// epoch when the window began; some indexes don't occur.
type calendarWindow struct {
	limit  int64
	unit   calendarUnit
	zone   *time.Location
	bits   uint
	most   int64
	latest *atomic.Pointer[calendarSpan] // the window that was asked about last
}

// calendarSpan is one window, in nanoseconds since the Unix epoch.
type calendarSpan struct{ index, start, end int64 }

func (s FixedWindowSpec) calendarRules() calendarWindow {
	unit, _ := calendarUnitOf(s.Calendar)
	zone, err := zoneNamed(s.Zone)
	if err != nil {
		zone = time.UTC // no Spec names a zone that isn't known
	}
	r := calendarWindow{
		limit: s.Limit, unit: unit, zone: zone, latest: new(atomic.Pointer[calendarSpan]),
		bits: uint(63 - bits.Len64(unsigned(math.MaxInt64/int64(unit.step)))),
	}
	r.most = 1<<r.bits - 1
	return r
}

func (r *calendarWindow) pack(index, count int64) int64 { return index<<(r.bits&63) | count }

func (r *calendarWindow) unpack(s int64) (index, count int64) { return s >> (r.bits & 63), s & r.most }

// span is the window that a moment is in.
func (r *calendarWindow) span(at int64) calendarSpan {
	if s := r.latest.Load(); s != nil && s.start <= at && at < s.end {
		return *s
	}
	start, end := r.unit.bounds(time.Unix(0, at).In(r.zone))
	s := calendarSpan{start: start.UnixNano(), end: end.UnixNano()}
	s.index = max(s.start, 0) / int64(r.unit.step)
	r.latest.Store(&s)
	return s
}

// of is the window with an index: it begins before the step is over, and ends
// after that. Only the one of the epoch may have begun long before its step.
func (r *calendarWindow) of(index int64) calendarSpan {
	if s := r.latest.Load(); s != nil && s.index == index {
		return *s
	}
	if index == 0 {
		return r.compute(0)
	}
	return r.compute((index + 1) * int64(r.unit.step))
}

func (r *calendarWindow) compute(at int64) calendarSpan {
	start, end := r.unit.bounds(time.Unix(0, at).In(r.zone))
	return calendarSpan{index: max(start.UnixNano(), 0) / int64(r.unit.step), start: start.UnixNano(), end: end.UnixNano()}
}

func (r calendarWindow) clock(now Time) int64 { return int64(now.Wall) }

func (r calendarWindow) lag(digest) int64 { return 0 }

func (r calendarWindow) fresh(at int64) int64 {
	if at <= 0 { // no key has been forgotten yet
		return 0
	}
	return r.pack(r.of(at/int64(r.unit.step)).index, 0)
}

func (r calendarWindow) expiry(s int64) int64 {
	index, count := r.unpack(s)
	span := r.of(index)
	if count == 0 {
		return span.start
	}
	return span.end
}

func (r calendarWindow) debt(s int64, at int64) int64 {
	_, used := r.view(s, at)
	return used
}

// view is the window at a moment and how much of it is used. It never goes back:
// who comes late is counted in the newest window known.
func (r *calendarWindow) view(s int64, at int64) (now calendarSpan, used int64) {
	index, used := r.unpack(s)
	now = r.span(max(at, 0))
	switch {
	case now.index > index:
		return now, 0
	case now.index < index:
		return r.of(index), used
	}
	return now, used
}

func (r calendarWindow) decide(s int64, cost, at int64) (d Decision) {
	now, used := r.view(s, at)
	f := fixedWindow{limit: r.limit}
	f.answer(&d, used, cost, now.end-at)
	return d
}

func (r calendarWindow) charge(s int64, cost, at int64) int64 {
	now, used := r.view(s, at)
	return r.pack(now.index, used+cost)
}

func (r calendarWindow) owe(s, cost, at int64) int64 {
	now, used := r.view(s, at)
	return r.pack(now.index, used+min(cost, r.most-used))
}

// refund gives back only to the window of the charge.
func (r calendarWindow) refund(s int64, cost, at int64) int64 {
	index, used := r.unpack(s)
	if r.span(max(at, 0)).index != index {
		return s
	}
	return r.pack(index, used-min(cost, used))
}

// inherit counts what was used in the window of the other calendar, if it isn't
// over, in the one of this.
func (r calendarWindow) inherit(from calendarWindow, s int64, was, at int64) int64 {
	then, used := from.view(s, was)
	index := then.index
	if from.unit.name != r.unit.name || from.zone.String() != r.zone.String() {
		index = r.span(max(at, 0)).index
	}
	return r.pack(index, min(used, r.limit))
}

// calendarTable is a Limiter of windows of a calendar.
type calendarTable struct{ table[calendarWindow] }

func newCalendarTable(spec Spec, r calendarWindow, o Options) Limiter {
	t := new(calendarTable)
	t.init(t, spec, r, o)
	return t
}

// Take implements Limiter. Of a key that is held, a denial needs no lock.
func (t *calendarTable) Take(key []byte, cost int64, now Time) Decision {
	d := t.seed.digest(key)
	if s := t.segment(d).find(d); s != nil {
		if word := s.load(d); word != moved {
			if answer := t.rules.decide(word, max(cost, 0), int64(now.Wall)); !answer.Allowed {
				return answer
			}
		}
	}
	return t.decide(d, cost, now, true)
}

// Peek implements Limiter.
func (t *calendarTable) Peek(key []byte, cost int64, now Time) Decision {
	d := t.seed.digest(key)
	if s := t.segment(d).find(d); s != nil {
		if word := s.load(d); word != moved {
			return t.rules.decide(word, max(cost, 0), int64(now.Wall))
		}
	}
	return t.decide(d, cost, now, false)
}
