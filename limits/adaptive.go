package limits

import (
	"errors"
	"time"
)

// AdaptiveConcurrencyName is the algorithm's name in a policy.
const AdaptiveConcurrencyName = "adaptive_concurrency"

// AdaptiveConcurrency is the block of a bound on what is in flight that finds
// itself: as much as a service can work on at once, and a little more. All of it
// may be left out.
type AdaptiveConcurrency struct {
	// MinLimit, InitialLimit and MaxLimit are the least that the limit can become,
	// what it is at first, and the most.
	MinLimit     int64 `hcl:"min_limit,optional"`
	InitialLimit int64 `hcl:"initial_limit,optional"`
	MaxLimit     int64 `hcl:"max_limit,optional"`
	// Tolerance is how many times as long as usual answers may take before the
	// limit shrinks; at least 1.
	Tolerance float64 `hcl:"tolerance,optional"`
	// Smoothing is how much of the way to its new value the limit goes at once,
	// above 0 and up to 1.
	Smoothing float64 `hcl:"smoothing,optional"`
	// ShortWindow is in how long a time answers are averaged before the limit
	// changes, LongWindow over how long a time what is usual is learned.
	ShortWindow string `hcl:"short_window,optional"`
	LongWindow  string `hcl:"long_window,optional"`
}

// What an AdaptiveConcurrency is by default.
const (
	defaultMinLimit     = 4
	defaultInitialLimit = 20
	defaultMaxLimit     = 1000
	defaultTolerance    = 1.5
	defaultSmoothing    = 0.2
	defaultShortWindow  = 250 * time.Millisecond
	defaultLongWindow   = time.Minute
)

// mostTolerance bounds AdaptiveConcurrency.Tolerance: with more, nothing would be
// limited.
const mostTolerance = 100

// Spec checks the block.
func (b *AdaptiveConcurrency) Spec() (Spec, error) {
	s := AdaptiveConcurrencySpec{
		Min: orDefault(b.MinLimit, defaultMinLimit), Initial: b.InitialLimit, Max: orDefault(b.MaxLimit, defaultMaxLimit),
		Tolerance: orDefault(b.Tolerance, defaultTolerance), Smoothing: orDefault(b.Smoothing, defaultSmoothing),
		ShortWindow: defaultShortWindow, LongWindow: defaultLongWindow,
	}
	var errs []error
	switch {
	case s.Min < 1:
		errs = append(errs, faultf("min_limit", "min_limit %d is not positive", s.Min))
	case s.Max < s.Min:
		errs = append(errs, faultf("max_limit", "max_limit %d is less than min_limit, which is %d", s.Max, s.Min))
	case s.Max > MostConcurrent:
		errs = append(errs, faultf("max_limit", "max_limit %d is more than %d", s.Max, int64(MostConcurrent)))
	case s.Initial == 0:
		s.Initial = min(max(defaultInitialLimit, s.Min), s.Max)
	case s.Initial < s.Min || s.Initial > s.Max:
		errs = append(errs, faultf("initial_limit", "initial_limit %d is not from min_limit, %d, to max_limit, %d", s.Initial, s.Min, s.Max))
	}
	if !(s.Tolerance >= 1 && s.Tolerance <= mostTolerance) {
		errs = append(errs, faultf("tolerance", "tolerance %v is not from 1 to %d", s.Tolerance, mostTolerance))
	}
	if !(s.Smoothing > 0 && s.Smoothing <= 1) {
		errs = append(errs, faultf("smoothing", "smoothing %v is not above 0 and up to 1", s.Smoothing))
	}
	errs = append(errs, spanOf("short_window", b.ShortWindow, &s.ShortWindow), spanOf("long_window", b.LongWindow, &s.LongWindow))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if s.LongWindow < 2*s.ShortWindow {
		return nil, faultf("long_window", "long_window %s is less than twice short_window, which is %s", s.LongWindow, s.ShortWindow)
	}
	return s, nil
}

func orDefault[T int64 | float64](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return v
}

// spanOf reads a window that may be left out.
func spanOf(attribute, text string, into *time.Duration) error {
	if text == "" {
		return nil
	}
	d, err := ParseWindow(text)
	switch {
	case err != nil:
		return &AttributeError{Attribute: attribute, Err: err}
	case d < ShortestWindow:
		return faultf(attribute, "%s %q is shorter than %s", attribute, text, ShortestWindow)
	}
	*into = d
	return nil
}

// AdaptiveConcurrencySpec is a valid AdaptiveConcurrency.
type AdaptiveConcurrencySpec struct {
	Min, Initial, Max       int64
	Tolerance, Smoothing    float64
	ShortWindow, LongWindow time.Duration
}

// Algorithm returns AdaptiveConcurrencyName.
func (s AdaptiveConcurrencySpec) Algorithm() string { return AdaptiveConcurrencyName }

// Policy has no window. Its quota is the most that the limit can become.
func (s AdaptiveConcurrencySpec) Policy() Policy {
	return Policy{Quota: s.Max, Unit: ConcurrentRequests}
}

// Capacity is the most that the limit can become.
func (s AdaptiveConcurrencySpec) Capacity() int64 { return s.Max }

// New makes a Holder that has learned nothing.
func (s AdaptiveConcurrencySpec) New(o Options) Limiter {
	a := &adaptive{spec: s, options: o.withDefaults()}
	a.state.Store(newServices(s, int64(a.options.MaxKeys)))
	return a
}
