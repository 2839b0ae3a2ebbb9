package limits

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Longest bounds every span of time that a limit deals in, its window and the
// time that a whole burst takes to come back: 100 years of 365 days. It keeps
// all sums of moments and spans within 63 bits.
const Longest = 100 * 365 * 24 * time.Hour

// Rate is so many units in every window of time.
type Rate struct {
	Count  int64
	Window time.Duration
}

// ParseRate reads a rate written as a count, a slash and a window: "100/s",
// "600/m", "10000/h", "1/d", "5/10s". A window is what ParseWindow reads, and a
// unit alone stands for one of it.
func ParseRate(s string) (Rate, error) {
	count, window, found := strings.Cut(s, "/")
	if !found {
		return Rate{}, fmt.Errorf(`rate %q has no window: write a count, a slash and a window, such as "100/s" or "5/10s"`, s)
	}
	r := Rate{}
	var err error
	if r.Count, err = parseCount(count); err != nil {
		return Rate{}, fmt.Errorf("rate %q: %w", s, err)
	}
	if window != "" && (window[0] < '0' || window[0] > '9') && window[0] != '-' && window[0] != '+' && window[0] != '.' {
		window = "1" + window
	}
	if r.Window, err = ParseWindow(window); err != nil {
		return Rate{}, fmt.Errorf("rate %q: %w", s, err)
	}
	if r.Count > int64(r.Window) {
		return Rate{}, fmt.Errorf("rate %q is more than one a nanosecond", s)
	}
	return r, nil
}

func parseCount(s string) (int64, error) {
	if s == "" {
		return 0, errors.New("the count is missing")
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("count %q is not a whole number", s)
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("count %s is too large", s)
	}
	if n == 0 {
		return 0, errors.New("the count is zero, which would let nothing pass")
	}
	return n, nil
}

// ParseWindow reads a positive span of time of at most Longest: what
// time.ParseDuration reads, or whole days as "7d".
func ParseWindow(s string) (time.Duration, error) {
	d, err := parseSpan(s)
	switch {
	case err != nil:
		return 0, err
	case d <= 0:
		return 0, fmt.Errorf("window %q is not positive", s)
	case d > Longest:
		return 0, fmt.Errorf("window %q is longer than 100 years", s)
	}
	return d, nil
}

func parseSpan(s string) (time.Duration, error) {
	if s == "" {
		return 0, errors.New("the window is missing")
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 63); err == nil {
			return time.Duration(min(n, uint64(Longest/day)+1)) * day, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf(`window %q is not a duration: write a number and one of ms, s, m, h, d, such as "10s"`, s)
	}
	return d, nil
}

const day = 24 * time.Hour

// Interval is the time in which one unit comes back, Window/Count rounded up to
// whole nanoseconds, so that rounding never grants more than the rate.
func (r Rate) Interval() time.Duration {
	return time.Duration(ceilDiv(int64(r.Window), r.Count))
}

// Span is the time in which n units come back, n*Window/Count rounded up to
// whole nanoseconds. It reports false if that is longer than Longest.
func (r Rate) Span(n int64) (time.Duration, bool) {
	d, ok := mulDivUp(n, int64(r.Window), r.Count)
	return time.Duration(d), ok && d <= int64(Longest)
}

// String writes the rate as ParseRate reads it.
func (r Rate) String() string {
	count := strconv.FormatInt(r.Count, 10)
	switch r.Window {
	case time.Second:
		return count + "/s"
	case time.Minute:
		return count + "/m"
	case time.Hour:
		return count + "/h"
	case day:
		return count + "/d"
	}
	return count + "/" + r.Window.String()
}
