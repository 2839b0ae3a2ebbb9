package limits

// slidingBuckets is the arithmetic of PrecisionBuckets. The time line is divided
// into parts of the given width, count of which make a window. A unit counts
// from its admission until count whole parts have passed after its own, which is
// never less than a window.
type slidingBuckets struct{ limit, width, count int64 }

// bucketsState holds count+1 parts: that of the last charge, which is index, and
// those before it. Part i is at place i mod count+1.
type bucketsState struct {
	index int64
	parts []uint32 // nil when nothing was charged yet
}

func (r slidingBuckets) clock(now Time) int64 { return int64(now.Mono) }

func (r slidingBuckets) lag(digest) int64 { return 0 }

func (r slidingBuckets) fresh(at int64) bucketsState { return bucketsState{index: r.indexAt(at)} }

func (r slidingBuckets) indexAt(at int64) int64 { return max(at, 0) / r.width }

// part is the place of part i, which must be one of those that s holds.
func (r slidingBuckets) part(s bucketsState, i int64) *uint32 { return &s.parts[i%(r.count+1)] }

// leaves is when the units of part i stop counting.
func (r slidingBuckets) leaves(i int64) int64 { return (i + r.count + 1) * r.width }

// held is the range of parts that count when index is the current part.
func (r slidingBuckets) held(s bucketsState, index int64) (first, last int64) {
	if s.parts == nil {
		return 0, -1
	}
	return max(0, index-r.count), s.index
}

func (r slidingBuckets) expiry(s bucketsState) int64 {
	first, last := r.held(s, s.index)
	for i := last; i >= first; i-- {
		if *r.part(s, i) > 0 {
			return r.leaves(i)
		}
	}
	return s.index * r.width
}

func (r slidingBuckets) debt(s bucketsState, at int64) int64 {
	return r.used(s, max(r.indexAt(at), s.index))
}

// used counts the units that still count when index is the current part.
func (r slidingBuckets) used(s bucketsState, index int64) int64 {
	var n int64
	first, last := r.held(s, index)
	for i := first; i <= last; i++ {
		n += int64(*r.part(s, i))
	}
	return n
}

// passes is the moment when at least n more units have stopped counting, of
// those that do when index is the current part; the largest n known gives the
// moment when none is left.
func (r slidingBuckets) passes(s bucketsState, index, n int64) int64 {
	first, last := r.held(s, index)
	for i := first; i <= last; i++ {
		if n -= int64(*r.part(s, i)); n <= 0 {
			return r.leaves(i)
		}
	}
	return r.leaves(index)
}

// decide counts who comes late in the newest part known: the index never goes
// back.
func (r slidingBuckets) decide(s bucketsState, cost, at int64) Decision {
	var d Decision
	index := max(r.indexAt(at), s.index)
	before := r.used(s, index)
	used := before
	switch {
	case cost > r.limit:
		d.RetryAfter = Never
	case used+cost <= r.limit:
		d.Allowed = true
		used += cost
	default:
		d.RetryAfter = span(r.passes(s, index, used+cost-r.limit) - at)
	}
	d.Remaining = r.limit - used
	if used > 0 {
		// Beyond what s holds passes answers for the charge in the current
		// part.
		d.NextAfter = span(r.passes(s, index, 1) - at)
		d.ResetAfter = span(r.passes(s, index, used) - at)
	}
	return d
}

func (r slidingBuckets) charge(s bucketsState, cost, at int64) bucketsState {
	index := max(r.indexAt(at), s.index)
	if s.parts == nil {
		s.parts = make([]uint32, r.count+1)
		s.index = index
	}
	for i := max(s.index+1, index-r.count); i <= index; i++ {
		*r.part(s, i) = 0
	}
	s.index = index
	*r.part(s, index) += narrow(cost)
	return s
}

// refund gives back to the part of the charge. A late caller, who was counted in
// a newer one, takes it from an older one, which leaves no later.
func (r slidingBuckets) refund(s bucketsState, cost, at int64) bucketsState {
	i := r.indexAt(at)
	if first, last := r.held(s, s.index); first <= i && i <= last {
		p := r.part(s, i)
		*p -= narrow(min(cost, int64(*p)))
	}
	return s
}

// inherit keeps parts of the same width, the newest that fit. Else whatever is
// used counts as if it had been used now.
func (r slidingBuckets) inherit(from slidingBuckets, s bucketsState, was, at int64) bucketsState {
	index := max(from.indexAt(was), s.index)
	used := from.used(s, index)
	if from.width == r.width && from.count == r.count {
		excess := narrow(max(0, used-r.limit))
		first, last := from.held(s, index)
		for i := first; i <= last && excess > 0; i++ {
			p := r.part(s, i)
			less := min(excess, *p)
			*p -= less
			excess -= less
		}
		return s
	}
	return r.charge(r.fresh(at), min(used, r.limit), at)
}
