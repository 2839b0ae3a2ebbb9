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
	switch s.Precision {
	case PrecisionLog:
		return slidingLog{limit: s.Limit, window: int64(s.Window)}.stored
	case PrecisionBuckets:
		return s.parts().stored
	default:
		return s.counter().stored
	}
}

func (m meter) stored(state []int64, cost, at int64) Decision { return m.decide(state[0], cost, at) }

func (r fixedWindow) stored(state []int64, cost, at int64) Decision {
	return r.decide(r.pack(state[0], state[1]), cost, at)
}

func (r slidingCounter) stored(state []int64, cost, at int64) (d Decision) {
	v := r.view(counterState{index: state[0], prev: state[1], cur: state[2]}, at)
	r.fill(&d, &v, cost)
	return d
}

func (r slidingBuckets) stored(state []int64, cost, at int64) Decision {
	index, c := state[0], make(counts, r.count)
	for i, n := range state[2:] {
		if at := index - 1 - int64(i); at >= 0 && i < len(c) {
			c[r.place(at)].Store(narrow(n))
		}
	}
	return r.answer(r.pack(index, state[1]), c, cost, at)
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
