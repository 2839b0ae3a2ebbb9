package limits

// Arithmetic decides on a key whose state a store outside this process keeps,
// by the very arithmetic of the limiters in memory. The moment is nanoseconds on
// the key's time line, which is the store's to say, and the state is in words:
//
//	token_bucket, leaky_bucket    the theoretical arrival time
//	fixed_window                  index, used
//	sliding_window, counter       index, previous, current
//	sliding_window, log           last, used, oldest, newest, blocking
//	sliding_window, buckets       index, parts from the newest to the oldest
//
// Of a log that is the latest moment it was charged at, how many units count,
// when the first and the last of them were admitted, and the one that has to
// leave before the cost fits; moments that don't exist are 0.
type Arithmetic func(state []int64, cost, at int64) Decision

// ArithmeticOf returns a Spec's arithmetic; nil for a Spec that no store can
// keep.
func ArithmeticOf(spec Spec) Arithmetic {
	switch s := spec.(type) {
	case TokenBucketSpec:
		return newMeter(s.Rate, s.Burst, s.Burst).stored
	case LeakyBucketSpec:
		return s.meter().stored
	case FixedWindowSpec:
		if s.Calendar != "" {
			return nil
		}
		return s.rules().stored
	case SlidingWindowSpec:
		return s.stored()
	}
	return nil
}

func (s SlidingWindowSpec) stored() Arithmetic {
	window := int64(s.Window)
	switch s.Precision {
	case PrecisionLog:
		return slidingLog{limit: s.Limit, window: window}.stored
	case PrecisionBuckets:
		return slidingBuckets{limit: s.Limit, width: int64(s.Width()), count: s.Buckets}.stored
	default:
		return slidingCounter{limit: s.Limit, window: window}.stored
	}
}

func (m meter) stored(state []int64, cost, at int64) Decision { return m.decide(state[0], cost, at) }

func (r fixedWindow) stored(state []int64, cost, at int64) Decision {
	return r.decide(r.pack(state[0], state[1]), cost, at)
}

func (r slidingCounter) stored(state []int64, cost, at int64) Decision {
	return r.decide(counterState{index: state[0], prev: narrow(state[1]), cur: narrow(state[2])}, cost, at)
}

func (r slidingBuckets) stored(state []int64, cost, at int64) Decision {
	s := bucketsState{index: state[0], parts: make([]uint32, r.count+1)}
	for i, n := range state[1:] {
		if at := s.index - int64(i); at >= 0 {
			*r.part(s, at) = narrow(n)
		}
	}
	return r.decide(s, cost, at)
}

func (r slidingLog) stored(state []int64, cost, at int64) Decision {
	var d Decision
	now := max(at, state[0])
	used, oldest, newest := state[1], state[2], state[3]
	if used == 0 {
		oldest = now
	}
	switch {
	case cost > r.limit:
		d.RetryAfter = Never
	case used+cost <= r.limit:
		d.Allowed = true
		used += cost
		if cost > 0 {
			newest = now
		}
	default:
		d.RetryAfter = span(state[4] + r.window - at)
	}
	d.Remaining = r.limit - used
	if used > 0 {
		d.NextAfter = span(oldest + r.window - at)
		d.ResetAfter = span(newest + r.window - at)
	}
	return d
}
