package limits

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a gateway is one file, wherever it runs
)

// calendarUnit is a window as clocks and calendars on the wall have it.
type calendarUnit struct {
	name string
	// about is how long one usually is.
	about time.Duration
	// step is shorter than any, so that no two begin within the same one.
	step time.Duration
	// first is the first moment of the unit that a moment of civil time is in, and
	// following the first of the one after it. Nil for hours.
	first, following func(civil time.Time) time.Time
}

// calendarUnits are in the order of their length.
var calendarUnits = [...]calendarUnit{
	{name: "hour", about: time.Hour, step: 5 * time.Minute},
	{
		"day", day, 12 * time.Hour,
		func(t time.Time) time.Time { return civil(t.Year(), t.Month(), t.Day()) },
		func(t time.Time) time.Time { return t.AddDate(0, 0, 1) },
	},
	{
		"week", 7 * day, 3 * day, // of ISO 8601: from Monday on
		func(t time.Time) time.Time {
			return civil(t.Year(), t.Month(), t.Day()-(int(t.Weekday())+6)%7)
		},
		func(t time.Time) time.Time { return t.AddDate(0, 0, 7) },
	},
	{
		"month", 30 * day, 14 * day,
		func(t time.Time) time.Time { return civil(t.Year(), t.Month(), 1) },
		func(t time.Time) time.Time { return t.AddDate(0, 1, 0) },
	},
	{
		"year", 365 * day, 180 * day,
		func(t time.Time) time.Time { return civil(t.Year(), time.January, 1) },
		func(t time.Time) time.Time { return t.AddDate(1, 0, 0) },
	},
}

// civil is a date on the wall, as if it were in UTC.
func civil(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func calendarUnitOf(name string) (calendarUnit, bool) {
	i := slices.IndexFunc(calendarUnits[:], func(u calendarUnit) bool { return u.name == name })
	if i < 0 {
		return calendarUnit{}, false
	}
	return calendarUnits[i], true
}

func isCalendarUnit(name string) bool {
	_, ok := calendarUnitOf(name)
	return ok
}

// calendar checks a block with align = "calendar".
func (b *FixedWindow) calendar() (Spec, error) {
	var errs []error
	if b.Limit <= 0 {
		errs = append(errs, faultf("limit", "limit %d is not positive", b.Limit))
	}
	unit, ok := calendarUnitOf(b.Window)
	if !ok {
		var names []string
		for _, u := range calendarUnits {
			names = append(names, u.name)
		}
		errs = append(errs, faultf("window", "window %q is none of a calendar: those are %s", b.Window, strings.Join(names, ", ")))
	}
	if b.Offset != "" {
		errs = append(errs, faultf("offset", "offset %q has no meaning with align = %q", b.Offset, AlignCalendar))
	}
	zone, err := zoneNamed(b.TimeZone)
	if err != nil {
		errs = append(errs, &AttributeError{Attribute: "time_zone", Err: err})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s := FixedWindowSpec{Limit: b.Limit, Window: unit.about, Calendar: unit.name, Zone: zone.String()}
	if most := s.calendarRules().most; s.Limit > most {
		return nil, faultf("limit", "limit %d is more than %d, the most in a %s", s.Limit, most, unit.name)
	}
	return s, nil
}

// zoneNamed finds a time zone. That of the machine is none: gateways on several
// machines would disagree.
func zoneNamed(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf(`time_zone %q is not known: write a name of the time zone database, such as "Europe/Berlin"`, name)
	}
	return zone, nil
}

// bounds are the first moments of the window that a moment is in and of the one
// after it, however many hours or days that has in the time zone.
func (u calendarUnit) bounds(t time.Time) (start, end time.Time) {
	if u.first == nil {
		return hourOf(t)
	}
	first := u.first(wall(t))
	following := u.following(first)
	start, end = onTheWall(first, t.Location()), onTheWall(following, t.Location())
	for !t.Before(end) { // clocks were set back over the edge, after it had passed
		following = u.following(following)
		start, end = end, onTheWall(following, t.Location())
	}
	return start, end
}

// wall is what clocks and calendars show, as if in UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

// onTheWall is the first moment at which clocks and calendars have got as far as
// this. Where they are set forward over it, that is when they are; where it comes
// twice, the first of the two.
func onTheWall(civil time.Time, zone *time.Location) time.Time {
	t := civil.Add(-36 * time.Hour).In(zone) // no clock is so far ahead of UTC
	for {
		_, offset := t.Zone()
		at := civil.Add(time.Duration(-offset) * time.Second).In(zone)
		if at.Before(t) {
			return t
		}
		_, end := t.ZoneBounds()
		if end.IsZero() || at.Before(end) {
			return at
		}
		t = end
	}
}

// hourOf is the hour on the clock that a moment is in. Clocks that are set by less
// than an hour cut one short.
func hourOf(t time.Time) (start, end time.Time) {
	from, until := t.ZoneBounds()
	into := wall(t).Sub(wall(t).Truncate(time.Hour))
	start = t.Add(-into)
	end = start.Add(time.Hour)
	if !from.IsZero() && start.Before(from) {
		start = from
	}
	if !until.IsZero() && end.After(until) {
		end = until
	}
	return start, end
}
