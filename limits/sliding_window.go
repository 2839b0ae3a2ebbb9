package limits

import (
	"errors"
	"math"
	"math/bits"
	"time"
)

// SlidingWindowName is the algorithm's name in a policy.
const SlidingWindowName = "sliding_window"

// SlidingWindow is the block of a window that trails behind the present moment.
// It reads the monotonic clock: there are no edges that people could see, and
// what it promises of any span of time must not depend on the system's clock
// being set.
type SlidingWindow struct {
	// Limit is how many units pass in a window.
	Limit int64 `hcl:"limit"`
	// Window is how long it is, as ParseWindow reads it.
	Window string `hcl:"window"`
	// Precision trades memory for exactness: PrecisionCounter, the default,
	// PrecisionLog or PrecisionBuckets.
	Precision string `hcl:"precision,optional"`
	// Buckets is into how many parts PrecisionBuckets divides the window: 2 to
	// 60, and 10 by default.
	Buckets int64 `hcl:"buckets,optional"`
}

// The values of SlidingWindow.Precision.
const (
	// PrecisionCounter weighs the count of the window before by how much of it
	// the trailing window still covers, as if its requests had been spread
	// evenly. In a span tau at most limit*(1 + tau/window) units pass, in one
	// trailing window at worst 2*limit - 1. 16 bytes a key, or 20 where the counts are large.
	PrecisionCounter = "counter"
	// PrecisionLog keeps the moment of every unit: never more than limit units
	// in any window. 8*limit bytes a key, so limit is at most LongestLog.
	PrecisionLog = "log"
	// PrecisionBuckets counts in parts of the window, and the part that is
	// leaving the window counts in full until it has left: never more than
	// limit units in any window, and a little fewer than the limit when under
	// pressure. 16 bytes a key, and 4 for every part.
	PrecisionBuckets = "buckets"
)

const (
	// LongestLog bounds the limit of PrecisionLog.
	LongestLog = 1000

	defaultBuckets          = 10
	fewestBuckets           = 2
	mostBuckets             = 60
	mostCounted       int64 = math.MaxUint32
	logTimestampsHeld       = 1 << 26 // in all logs of one limiter: 512 MiB
)

// Spec checks the block.
func (b *SlidingWindow) Spec() (Spec, error) {
	window, errs := checkWindow(b.Limit, b.Window)
	s := SlidingWindowSpec{Limit: b.Limit, Window: window, Precision: b.Precision}
	most := mostCounted
	switch s.Precision {
	case "":
		s.Precision = PrecisionCounter
	case PrecisionCounter:
	case PrecisionLog:
		most = LongestLog
	case PrecisionBuckets:
		s.Buckets = defaultBuckets
	default:
		errs = append(errs, faultf("precision", "precision %q is none of %q, %q and %q",
			b.Precision, PrecisionCounter, PrecisionLog, PrecisionBuckets))
	}
	if b.Limit > most {
		errs = append(errs, faultf("limit", "limit %d is more than %d, the most with precision = %q", b.Limit, most, s.Precision))
	}
	switch {
	case b.Buckets == 0:
	case s.Precision != PrecisionBuckets:
		errs = append(errs, faultf("buckets", "buckets needs precision = %q", PrecisionBuckets))
	case b.Buckets < fewestBuckets || b.Buckets > mostBuckets:
		errs = append(errs, faultf("buckets", "buckets %d is not between %d and %d", b.Buckets, fewestBuckets, mostBuckets))
	default:
		s.Buckets = b.Buckets
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if most := s.most(); s.Limit > most {
		return nil, faultf("limit", "limit %d is more than %d, the most for a window of %s", s.Limit, most, window)
	}
	return s, nil
}

// SlidingWindowSpec is a valid SlidingWindow.
type SlidingWindowSpec struct {
	Limit  int64
	Window time.Duration
	// Precision is never empty.
	Precision string
	// Buckets is 0 unless the precision is PrecisionBuckets.
	Buckets int64
}

// Algorithm returns SlidingWindowName.
func (s SlidingWindowSpec) Algorithm() string { return SlidingWindowName }

// Policy has the limit as its quota. Its interval is the pace that a client can
// keep up for ever.
func (s SlidingWindowSpec) Policy() Policy {
	return Policy{
		Quota:    s.Limit,
		Window:   s.Window,
		Interval: span(ceilDiv(int64(s.Window), s.Limit)),
	}
}

// Width is how long a part of the window is with PrecisionBuckets, else 0.
func (s SlidingWindowSpec) Width() time.Duration {
	if s.Buckets == 0 {
		return 0
	}
	return span(ceilDiv(int64(s.Window), s.Buckets))
}

// Capacity is the limit.
func (s SlidingWindowSpec) Capacity() int64 { return s.Limit }

// New makes a limiter that has counted nothing. With PrecisionLog it may hold
// fewer keys than the options say: all logs together are bounded to 512 MiB.
func (s SlidingWindowSpec) New(o Options) Limiter {
	window := int64(s.Window)
	switch s.Precision {
	case PrecisionLog:
		maxKeys := min(o.withDefaults().MaxKeys, logTimestampsHeld/int(s.Limit))
		return newKeyed(s, slidingLog{limit: s.Limit, window: window}, o, maxKeys)
	case PrecisionBuckets:
		return newPartsTable(s, s.parts(), o)
	default:
		return newCounterTable(s, s.counter(), o)
	}
}

func (s SlidingWindowSpec) counter() slidingCounter {
	return newSlidingCounter(s.Limit, int64(s.Window))
}

func (s SlidingWindowSpec) parts() slidingBuckets {
	return newSlidingBuckets(s.Limit, int64(s.Width()), s.Buckets)
}

// most is the largest limit that can be counted beside the index of a window as
// short as this.
func (s SlidingWindowSpec) most() int64 {
	switch s.Precision {
	case PrecisionLog:
		return LongestLog
	case PrecisionBuckets:
		return s.parts().most
	default:
		return s.counter().most
	}
}

// latest is the last moment of all, which leaves room for counts in a word beside
// the index of a window. Time stands still from then on.
const latest = 90 * 365 * day

func withinReach(at int64) int64 { return min(max(at, 0), int64(latest)) }

// indexBits is how many bits the index of a window of the given length takes.
func indexBits(length int64) uint {
	return uint(bits.Len64(unsigned(int64(latest) / length)))
}
