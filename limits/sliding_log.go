package limits

// slidingLog is the arithmetic of PrecisionLog: a unit admitted at t counts in
// [t, t+window). Of one that comes late it is not known who came before whom, so
// it counts from the newest moment in the log.
type slidingLog struct{ limit, window int64 }

// logState is a ring of the moments at which units were admitted, in order; n of
// them from head on.
type logState struct {
	last    int64 // no caller is earlier than this
	ring    []int64
	head, n int
}

func (s *logState) at(i int) int64 { return s.ring[s.slot(i)] }

func (s *logState) slot(i int) int {
	i += s.head
	if i >= len(s.ring) {
		i -= len(s.ring)
	}
	return i
}

// upTo counts the moments up to and including t, by bisection.
func (s *logState) upTo(t int64) int {
	lo, hi := 0, s.n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.at(mid) <= t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// push appends a moment n times. The ring grows in powers of two, up to bound.
func (s *logState) push(t int64, n, bound int) {
	if s.n+n > len(s.ring) {
		size := max(4, len(s.ring))
		for size < s.n+n {
			size *= 2
		}
		ring := make([]int64, min(size, bound))
		for i := range s.n {
			ring[i] = s.at(i)
		}
		s.ring, s.head = ring, 0
	}
	for range n {
		s.ring[s.slot(s.n)] = t
		s.n++
	}
}

func (r slidingLog) clock(now Time) int64 { return int64(now.Mono) }

func (r slidingLog) lag(digest) int64 { return 0 }

func (r slidingLog) fresh(at int64) logState { return logState{last: max(at, 0)} }

func (r slidingLog) expiry(s logState) int64 {
	if s.n == 0 {
		return s.last
	}
	return s.at(s.n-1) + r.window
}

func (r slidingLog) debt(s logState, at int64) int64 {
	return int64(s.n - r.expired(&s, max(at, s.last)))
}

// expired counts the moments that have left the window that ends at now.
func (r slidingLog) expired(s *logState, now int64) int { return s.upTo(now - r.window) }

func (r slidingLog) decide(s logState, cost, at int64) Decision {
	var d Decision
	now := max(at, s.last)
	gone := r.expired(&s, now)
	used := int64(s.n - gone)
	oldest, newest := now, now
	if used > 0 {
		oldest, newest = s.at(gone), s.at(s.n-1)
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
		blocking := s.at(gone + int(used+cost-r.limit) - 1)
		d.RetryAfter = span(blocking + r.window - at)
	}
	d.Remaining = r.limit - used
	if used > 0 {
		d.NextAfter = span(oldest + r.window - at)
		d.ResetAfter = span(newest + r.window - at)
	}
	return d
}

func (r slidingLog) charge(s logState, cost, at int64) logState {
	s.last = max(at, s.last)
	gone := r.expired(&s, s.last)
	if s.n -= gone; s.n > 0 {
		s.head = s.slot(gone)
	} else {
		s.head = 0
	}
	s.push(s.last, int(cost), int(r.limit))
	return s
}

// refund takes out the newest units up to the moment of the charge. Those of a
// late caller count from later, and stay.
func (r slidingLog) refund(s logState, cost, at int64) logState {
	end := s.upTo(at)
	n := int(min(cost, int64(end)))
	for i := end; i < s.n; i++ {
		s.ring[s.slot(i-n)] = s.at(i)
	}
	s.n -= n
	return s
}

// inherit keeps the newest units that fit. A shorter window makes each younger
// in proportion, so that none leaves because of the change.
func (r slidingLog) inherit(from slidingLog, s logState, was, _ int64) logState {
	now := max(was, s.last)
	gone := max(from.expired(&s, now), s.n-int(r.limit))
	next := logState{last: now}
	for i := gone; i < s.n; i++ {
		age := now - s.at(i)
		if r.window < from.window {
			age, _ = mulDivDown(age, r.window, from.window)
		}
		next.push(now-age, 1, int(r.limit))
	}
	return next
}

// flatten writes the last moment, and how many moments count before them.
func (r slidingLog) flatten(s logState, to []int64) []int64 {
	to = append(to, s.last, int64(s.n))
	for i := range s.n {
		to = append(to, s.at(i))
	}
	return to
}

func (r slidingLog) unflatten(from []int64) (s logState, rest []int64, ok bool) {
	if len(from) < 2 {
		return s, nil, false
	}
	s.last = from[0]
	n, rest := from[1], from[2:]
	if n < 0 || n > r.limit || n > int64(len(rest)) {
		return s, nil, false
	}
	for _, t := range rest[:n] {
		s.push(t, 1, int(r.limit))
	}
	return s, rest[n:], true
}
