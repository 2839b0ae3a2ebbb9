package limits

import (
	"errors"
	"math"
	"math/bits"
	"time"
)

// FixedWindowName is the algorithm's name in a policy.
const FixedWindowName = "fixed_window"

// FixedWindow is the block of a counter that starts again from zero at every
// edge of a grid of windows, as quotas "per calendar day" do.
//
// Within one window it lets at most limit units pass, and so up to twice that
// within a moment across an edge. Where that is too much, sliding_window is
// the answer.
type FixedWindow struct {
	// Limit is how many units pass in one window.
	Limit int64 `hcl:"limit"`
	// Window is how long one is, as ParseWindow reads it; with align = "calendar"
	// an "hour", "day", "week", "month" or "year".
	Window string `hcl:"window"`
	// Offset moves the edges from multiples of the window since the Unix epoch
	// (for days: midnight UTC) to so much later. Shorter than the window; none
	// by default.
	Offset string `hcl:"offset,optional"`
	// Align says where the edges are: "epoch", the default, puts them at the
	// same moments for everyone; "key" spreads them over the keys, so that
	// clients who wait for theirs don't come back as one herd; "calendar" puts
	// them where the clocks on the wall of TimeZone say that one begins.
	Align string `hcl:"align,optional"`
	// TimeZone is a name of the IANA's time zone database, such as
	// "Europe/Berlin"; "UTC" by default. Calendars only have one.
	TimeZone string `hcl:"time_zone,optional"`
}

// The values of FixedWindow.Align.
const (
	AlignEpoch    = "epoch"
	AlignKey      = "key"
	AlignCalendar = "calendar"
)

// Spec checks the block.
func (b *FixedWindow) Spec() (Spec, error) {
	if b.Align == AlignCalendar {
		return b.calendar()
	}
	if isCalendarUnit(b.Window) {
		return nil, faultf("window", "window %q is one of a calendar: it needs align = %q", b.Window, AlignCalendar)
	}
	window, errs := checkWindow(b.Limit, b.Window)
	s := FixedWindowSpec{Limit: b.Limit, Window: window}
	switch b.Align {
	case "", AlignEpoch:
	case AlignKey:
		s.ByKey = true
	default:
		errs = append(errs, faultf("align", "align %q is none of %q, %q and %q", b.Align, AlignEpoch, AlignKey, AlignCalendar))
	}
	if b.TimeZone != "" {
		errs = append(errs, faultf("time_zone", "time_zone %q has no meaning without align = %q", b.TimeZone, AlignCalendar))
	}
	if b.Offset != "" {
		offset, err := parseSpan(b.Offset)
		switch {
		case err != nil:
			errs = append(errs, &AttributeError{Attribute: "offset", Err: err})
		case offset < 0:
			errs = append(errs, faultf("offset", "offset %q is negative", b.Offset))
		case offset > 0 && s.ByKey:
			errs = append(errs, faultf("offset", "offset %q has no meaning with align = %q", b.Offset, AlignKey))
		case window > 0 && offset >= window:
			errs = append(errs, faultf("offset", "offset %q is not shorter than the window", b.Offset))
		}
		s.Offset = offset
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if most := s.rules().most; s.Limit > most {
		return nil, faultf("limit", "limit %d is more than %d, the most for a window of %s", s.Limit, most, window)
	}
	return s, nil
}

// FixedWindowSpec is a valid FixedWindow.
type FixedWindowSpec struct {
	Limit  int64
	Window time.Duration
	Offset time.Duration
	ByKey  bool
	// Calendar is the unit of a window of the calendar, empty for others, and Zone
	// its time zone. Window is about how long it is.
	Calendar, Zone string
}

// Algorithm returns FixedWindowName.
func (s FixedWindowSpec) Algorithm() string { return FixedWindowName }

// Policy has no interval, because units come back all at once.
func (s FixedWindowSpec) Policy() Policy {
	return Policy{Quota: s.Limit, Window: s.Window, Varies: s.Calendar == "month" || s.Calendar == "year"}
}

// Capacity is the limit.
func (s FixedWindowSpec) Capacity() int64 { return s.Limit }

// New makes a limiter that has counted nothing.
func (s FixedWindowSpec) New(o Options) Limiter {
	if s.Calendar != "" {
		return newCalendarTable(s, s.calendarRules(), o)
	}
	return newWindowTable(s, s.rules(), o)
}

func (s FixedWindowSpec) rules() fixedWindow {
	window := int64(s.Window)
	r := fixedWindow{
		limit:  s.Limit,
		window: window,
		offset: int64(s.Offset),
		byKey:  s.ByKey,
		bits:   uint(63 - bits.Len64(unsigned(math.MaxInt64/window))),
	}
	r.most = 1<<r.bits - 1
	return r
}

// fixedWindow is the arithmetic. A state is the index of the window that was
// charged last, and in the low bits how much of it is used.
type fixedWindow struct {
	limit, window int64
	offset        int64
	byKey         bool
	bits          uint  // of the count
	most          int64 // the largest count that fits beside an index
}

// pack and unpack tell the compiler that no shift is longer than a word.
func (r *fixedWindow) pack(index, count int64) int64 { return index<<(r.bits&63) | count }

func (r *fixedWindow) unpack(s int64) (index, count int64) { return s >> (r.bits & 63), s & r.most }

func (r fixedWindow) clock(now Time) int64 { return int64(now.Wall) }

// lag puts an edge of the grid at 0 on the key's time line, and the Unix epoch
// less than a window later, so that no index is negative.
func (r fixedWindow) lag(d digest) int64 {
	shift := r.offset
	if r.byKey {
		shift = signed(d.below(unsigned(r.window)))
	}
	return shift - r.window
}

func (r fixedWindow) fresh(at int64) int64 { return r.pack(r.indexAt(at), 0) }

func (r fixedWindow) indexAt(at int64) int64 { return max(at, 0) / r.window }

func (r fixedWindow) expiry(s int64) int64 {
	index, count := r.unpack(s)
	if count == 0 {
		return index * r.window
	}
	return (index + 1) * r.window
}

func (r fixedWindow) debt(s int64, at int64) int64 {
	_, used, _ := r.view(s, at)
	return used
}

// view is the window at a moment, how much of it is used, and when it ends. The
// index never goes back: who comes late is counted in the newest window known.
func (r *fixedWindow) view(s int64, at int64) (index, used, end int64) {
	index, used = r.unpack(s)
	end = (index + 1) * r.window
	if at >= end {
		index, used = r.indexAt(at), 0
		end = (index + 1) * r.window
	}
	return index, used, end
}

func (r fixedWindow) decide(s int64, cost, at int64) (d Decision) {
	_, used, end := r.view(s, at)
	r.answer(&d, used, cost, end-at)
	return d
}

// answer fills in a zero Decision for a window that has so much time left.
func (r *fixedWindow) answer(d *Decision, used, cost, left int64) {
	switch {
	case cost > r.limit:
		d.RetryAfter = Never
	case cost <= r.limit-used:
		d.Allowed = true
		used += cost
	default:
		d.RetryAfter = span(left)
	}
	d.Remaining = max(0, r.limit-used) // more can be owed
	if used > 0 {
		d.NextAfter, d.ResetAfter = span(left), span(left)
	}
}

func (r fixedWindow) charge(s int64, cost, at int64) int64 {
	index, used, _ := r.view(s, at)
	return r.pack(index, used+cost)
}

// refund gives back only to the window of the charge. A late caller, who was
// counted in a newer one, gets nothing back.
func (r fixedWindow) refund(s int64, cost, at int64) int64 {
	index, used := r.unpack(s)
	if r.indexAt(at) != index {
		return s
	}
	return r.pack(index, used-min(cost, used))
}

// inherit counts what was used in the old window in the new one. Windows of the
// same grid keep their index.
func (r fixedWindow) inherit(from fixedWindow, s int64, was, at int64) int64 {
	index, used, _ := from.view(s, was)
	if from.window != r.window || was != at {
		index = r.indexAt(at)
	}
	return r.pack(index, min(used, r.limit))
}
