package limits

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := zoneNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	m, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestCalendarBounds, at the places where calendars and clocks do odd things.
func TestCalendarBounds(t *testing.T) {
	for _, c := range []struct {
		unit, zone, at, start, end string
	}{
		{"day", "UTC", "2026-05-04T12:00:00Z", "2026-05-04T00:00:00Z", "2026-05-05T00:00:00Z"},
		{"day", "Europe/Berlin", "2026-05-04T22:00:00Z", "2026-05-05T00:00:00+02:00", "2026-05-06T00:00:00+02:00"},
		{"day", "Europe/Berlin", "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"}, // 23 hours
		{"day", "Europe/Berlin", "2026-10-25T12:00:00+01:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"}, // 25 hours
		{"day", "Asia/Kathmandu", "2026-01-01T18:14:59Z", "2026-01-01T00:00:00+05:45", "2026-01-02T00:00:00+05:45"},
		{"day", "Asia/Beirut", "2022-03-27T12:00:00+03:00", "2022-03-27T01:00:00+03:00", "2022-03-28T00:00:00+03:00"},       // no midnight
		{"day", "America/Havana", "2025-11-02T00:30:00-05:00", "2025-11-02T00:00:00-04:00", "2025-11-03T00:00:00-05:00"},    // two
		{"day", "America/Sao_Paulo", "2018-02-17T23:30:00-03:00", "2018-02-17T00:00:00-02:00", "2018-02-18T00:00:00-03:00"}, // 23 h twice
		{"day", "America/St_Johns", "2010-11-06T23:30:00-03:30", "2010-11-07T00:00:00-02:30", "2010-11-08T00:00:00-03:30"},  // back over midnight
		{"day", "Pacific/Apia", "2011-12-29T23:00:00-10:00", "2011-12-29T00:00:00-10:00", "2011-12-30T00:00:00-10:00"},      // the 30th was left out
		{"day", "Pacific/Apia", "2011-12-31T00:00:00+14:00", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"},
		{"week", "Europe/Berlin", "2026-03-29T23:59:59+02:00", "2026-03-23T00:00:00+01:00", "2026-03-30T00:00:00+02:00"},  // Sunday
		{"week", "UTC", "2026-03-30T00:00:00Z", "2026-03-30T00:00:00Z", "2026-04-06T00:00:00Z"},                           // Monday
		{"month", "UTC", "2028-02-10T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},                          // 29 days
		{"month", "UTC", "2100-02-10T00:00:00Z", "2100-02-01T00:00:00Z", "2100-03-01T00:00:00Z"},                          // 28 days
		{"month", "Europe/Berlin", "2026-10-31T23:59:59+01:00", "2026-10-01T00:00:00+02:00", "2026-11-01T00:00:00+01:00"}, // 31, and an hour
		{"month", "America/New_York", "2027-01-01T04:59:59Z", "2026-12-01T00:00:00-05:00", "2027-01-01T00:00:00-05:00"},
		{"year", "Asia/Tokyo", "2026-12-31T14:59:59Z", "2026-01-01T00:00:00+09:00", "2027-01-01T00:00:00+09:00"},
		{"hour", "Asia/Kolkata", "2026-05-04T12:29:59Z", "2026-05-04T11:30:00Z", "2026-05-04T12:30:00Z"},
		{"hour", "Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"}, // the first
		{"hour", "Europe/Berlin", "2026-10-25T02:30:00+01:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"}, // the second
		{"hour", "Europe/Berlin", "2026-03-29T03:00:00+02:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"},
		{"hour", "Australia/Lord_Howe", "2026-04-05T01:45:00+10:30", "2026-04-05T01:30:00+10:30", "2026-04-05T02:00:00+10:30"}, // half an hour back
		{"hour", "Australia/Lord_Howe", "2026-10-04T02:40:00+11:00", "2026-10-04T02:30:00+11:00", "2026-10-04T03:00:00+11:00"}, // and on
		{"hour", "Australia/Lord_Howe", "2026-04-05T01:45:00+11:00", "2026-04-05T01:00:00+11:00", "2026-04-05T01:30:00+10:30"},
		{"month", "Africa/Casablanca", "2026-02-15T02:00:00Z", "2026-02-01T00:00:00+01:00", "2026-03-01T00:00:00Z"}, // Ramadan
		{"day", "Africa/Cairo", "2026-04-24T01:30:00+03:00", "2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00"},
		{"day", "America/Asuncion", "2024-10-06T01:30:00-03:00", "2024-10-06T01:00:00-03:00", "2024-10-07T00:00:00-03:00"},
		{"week", "Asia/Beirut", "2022-03-28T00:00:00+03:00", "2022-03-28T00:00:00+03:00", "2022-04-04T00:00:00+03:00"},
		{"year", "Pacific/Kiritimati", "1994-06-01T00:00:00Z", "1994-01-01T00:00:00-10:00", "1995-01-01T00:00:00+14:00"},
		{"day", "Pacific/Kiritimati", "1994-12-30T23:00:00-10:00", "1994-12-30T00:00:00-10:00", "1995-01-01T00:00:00+14:00"},
		{"month", "Etc/GMT+12", "2026-03-01T11:59:59Z", "2026-02-01T00:00:00-12:00", "2026-03-01T00:00:00-12:00"},
	} {
		u, _ := calendarUnitOf(c.unit)
		start, end := u.bounds(moment(t, c.at).In(zone(t, c.zone)))
		if !start.Equal(moment(t, c.start)) || !end.Equal(moment(t, c.end)) {
			t.Errorf("the %s of %s in %s is from %v to %v, want %s to %s", c.unit, c.at, c.zone, start, end, c.start, c.end)
		}
	}
}

// TestCalendarWindowsAreGapless: every moment is in one window, which its index
// names.
func TestCalendarWindowsAreGapless(t *testing.T) {
	for _, name := range []string{
		"UTC", "Europe/Berlin", "America/New_York", "America/Havana", "America/Sao_Paulo", "America/St_Johns", "Asia/Beirut", "Asia/Gaza",
		"Asia/Kathmandu", "Asia/Tehran", "Africa/Cairo", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham", "Antarctica/Troll",
	} {
		for _, u := range calendarUnits {
			r := FixedWindowSpec{Limit: 1, Calendar: u.name, Zone: name}.calendarRules()
			from, until := moment(t, "2009-12-31T22:00:00Z"), moment(t, "2027-01-03T00:00:00Z")
			if u.name == "hour" {
				from = moment(t, "2024-12-31T22:00:00Z")
			}
			last := r.span(from.UnixNano())
			for last.end < until.UnixNano() {
				next := r.span(last.end)
				middle := next.start + (next.end-next.start)/2
				length := time.Duration(next.end - next.start)
				switch {
				case next.start != last.end || length <= u.step || length > u.about+u.about/3+48*time.Hour:
					t.Fatalf("%s in %s: after %+v comes %+v", u.name, name, last, next)
				case next.index <= last.index || r.compute(middle) != next || r.compute(next.end-1) != next:
					t.Fatalf("%s in %s: %+v is not one window, after %+v", u.name, name, next, last)
				}
				r.latest.Store(nil)
				if got := r.of(next.index); got != next {
					t.Fatalf("%s in %s: the index %d is of %+v, not %+v", u.name, name, next.index, got, next)
				}
				last = next
			}
		}
	}
}

// TestCalendarQuota: what is used in a day is used until midnight, and no longer,
// and the answer says when that is.
func TestCalendarQuota(t *testing.T) {
	spec, err := (&FixedWindow{Limit: 3, Window: "day", Align: "calendar", TimeZone: "Europe/Berlin"}).Spec()
	if err != nil {
		t.Fatal(err)
	}
	l, key := spec.New(Options{}), []byte("key")
	wall := func(text string) Time { return at(moment(t, text).UnixNano()) }
	for _, c := range []struct {
		at        string
		cost      int64
		allowed   bool
		remaining int64
		reset     time.Duration
	}{
		{"2026-03-28T23:00:00+01:00", 2, true, 1, time.Hour},
		{"2026-03-28T23:59:59+01:00", 2, false, 1, time.Second},
		{"2026-03-28T23:59:59+01:00", 1, true, 0, time.Second},
		{"2026-03-29T00:00:00+01:00", 3, true, 0, 23 * time.Hour}, // clocks go forward
		{"2026-03-29T23:59:59+02:00", 1, false, 0, time.Second},
		{"2026-03-28T23:59:59+01:00", 1, false, 0, 23*time.Hour + time.Second}, // late: counts in the newest
		{"2026-03-30T00:00:00+02:00", 1, true, 2, 24 * time.Hour},
		{"2026-10-25T00:00:00+02:00", 1, true, 2, 25 * time.Hour}, // clocks go back
		{"2026-10-25T02:30:00+02:00", 1, true, 1, 22*time.Hour + 30*time.Minute},
		{"2026-10-25T02:30:00+01:00", 1, true, 0, 21*time.Hour + 30*time.Minute},
		{"2026-10-25T23:00:00+01:00", 4, false, 0, time.Hour},
	} {
		d := l.Take(key, c.cost, wall(c.at))
		retry := c.reset
		switch {
		case c.allowed:
			retry = 0
		case c.cost > 3:
			retry = Never
		}
		if d.Allowed != c.allowed || d.Remaining != c.remaining || d.ResetAfter != c.reset || d.NextAfter != c.reset || d.RetryAfter != retry {
			t.Errorf("%s, cost %d: %+v", c.at, c.cost, d)
		}
	}
	if n := testing.AllocsPerRun(100, func() { l.Take(key, 1, wall("2026-10-25T23:00:00+01:00")) }); n > 4 { // of moment
		t.Errorf("%v allocations", n)
	}
}

// TestCalendarIsAFixedWindow where every window is as long as the others.
func TestCalendarIsAFixedWindow(t *testing.T) {
	for unit, window := range map[string]time.Duration{"hour": time.Hour, "day": day} {
		eachSeed(t, 30, func(t *testing.T, r *rand.Rand) {
			plain := FixedWindowSpec{Limit: 5, Window: window}
			same := FixedWindowSpec{Limit: 5, Window: window, Calendar: unit, Zone: "UTC"}
			a, b := plain.New(Options{}), same.New(Options{})
			// Who comes late is counted after the keys of his segment that were
			// forgotten, so the keys have to share segments in the same way.
			b.(*calendarTable).seed = a.(*windowTable).seed
			now := int64(1000 * day) // years after the epoch
			var last Decision
			for n := range 400 {
				now = walk(r, now, plain, last)
				then := at(now - r.Int64N(int64(window))*int64(r.IntN(2)))
				key, cost := []byte{byte(r.IntN(3))}, drawCost(r, plain)
				if r.IntN(5) == 0 {
					a.Refund(key, cost, then)
					b.Refund(key, cost, then)
					continue
				}
				var other Decision
				last, other = a.Take(key, cost, then), b.Take(key, cost, then)
				if last != other {
					t.Fatalf("step %d, cost %d at %v: %+v and %+v", n, cost, then, last, other)
				}
			}
		})
	}
}

// TestCalendarReload keeps what was used in the same calendar, and counts it in
// the window of another.
func TestCalendarReload(t *testing.T) {
	spec := func(limit int64, window, zone string) Spec {
		s, err := (&FixedWindow{Limit: limit, Window: window, Align: AlignCalendar, TimeZone: zone}).Spec()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	key, noon := []byte("key"), at(moment(t, "2026-05-04T12:00:00Z").UnixNano())
	l := spec(10, "day", "UTC").New(Options{})
	l.Take(key, 4, noon)
	for _, c := range []struct {
		spec      Spec
		remaining int64
		reset     time.Duration
	}{
		{spec(20, "day", "UTC"), 16, 12 * time.Hour},
		{spec(20, "day", "Europe/Berlin"), 16, 10 * time.Hour},
		{spec(20, "month", "Europe/Berlin"), 16, 27*day + 10*time.Hour - 0},
		{spec(3, "month", "Europe/Berlin"), 0, 27*day + 10*time.Hour},
	} {
		l = Adopt(l, c.spec, Options{}, noon)
		if d := l.Peek(key, 0, noon); d.Remaining != c.remaining || d.ResetAfter != c.reset {
			t.Errorf("%+v: %+v", c.spec, d)
		}
	}
	if p := l.Policy(); p.Quota != 3 || !p.Varies || p.Window != 30*day {
		t.Errorf("policy %+v", p)
	}
}

func TestCalendarSpec(t *testing.T) {
	for attribute, b := range map[string]FixedWindow{
		"limit":     {Limit: 0, Window: "day", Align: "calendar"},
		"window":    {Limit: 1, Window: "24h", Align: "calendar"},
		"offset":    {Limit: 1, Window: "day", Align: "calendar", Offset: "1h"},
		"time_zone": {Limit: 1, Window: "day", Align: "calendar", TimeZone: "Europe/Berlim"},
	} {
		_, err := b.Spec()
		if a, ok := errors.AsType[*AttributeError](err); !ok || a.Attribute != attribute {
			t.Errorf("%s: %v", attribute, err)
		}
	}
	for name, b := range map[string]FixedWindow{
		"a zone without a calendar": {Limit: 1, Window: "24h", TimeZone: "UTC"},
		"a day without a calendar":  {Limit: 1, Window: "day"},
		"the machine's zone":        {Limit: 1, Window: "day", Align: "calendar", TimeZone: "Local"},
		"too much to count":         {Limit: 1 << 62, Window: "hour", Align: "calendar"},
	} {
		if s, err := b.Spec(); err == nil {
			t.Errorf("%s is valid: %+v", name, s)
		}
	}
	s, err := (&FixedWindow{Limit: 1 << 45, Window: "month", Align: "calendar"}).Spec()
	if err != nil || s != (FixedWindowSpec{Limit: 1 << 45, Window: 30 * day, Calendar: "month", Zone: "UTC"}) {
		t.Errorf("%+v, %v", s, err)
	}
	if ArithmeticOf(s) != nil {
		t.Error("a store can keep it")
	}
}
