package limits

// slidingCounter is the arithmetic of PrecisionCounter. With e the time elapsed
// of the current window, W long, a request of cost c passes if
//
//	prev*(W-e) + (cur+c)*W <= L*W
//
// which, all of cur, c and L being whole, is the same as
//
//	ceil(prev*(W-e)/W) + cur + c <= L
//
// The products are exact in 128 bits.
type slidingCounter struct{ limit, window int64 }

// counterState counts the window that was charged last, and the one before.
type counterState struct {
	index     int64
	prev, cur uint32
}

func (r slidingCounter) clock(now Time) int64 { return int64(now.Mono) }

func (r slidingCounter) lag(digest) int64 { return 0 }

func (r slidingCounter) fresh(at int64) counterState { return counterState{index: r.indexAt(at)} }

func (r slidingCounter) indexAt(at int64) int64 { return max(at, 0) / r.window }

func (r slidingCounter) expiry(s counterState) int64 {
	switch {
	case s.cur > 0:
		return (s.index + 2) * r.window
	case s.prev > 0:
		return (s.index + 1) * r.window
	default:
		return s.index * r.window
	}
}

func (r slidingCounter) debt(s counterState, at int64) int64 { return r.view(s, at).used() }

// counterView is a state as it stands at one moment.
type counterView struct {
	window, index int64
	prev, cur     int64
	elapsed       int64 // of the current window
	early         int64 // how long before the current window a late caller is
}

// view turns the windows over. The index never goes back: who comes late is
// counted as at the start of the newest window known.
func (r slidingCounter) view(s counterState, at int64) counterView {
	v := counterView{window: r.window, index: s.index, prev: int64(s.prev), cur: int64(s.cur)}
	switch i := r.indexAt(at); {
	case i == s.index+1:
		v.index, v.prev, v.cur = i, v.cur, 0
	case i > s.index:
		v.index, v.prev, v.cur = i, 0, 0
	}
	start := v.index * r.window
	v.elapsed, v.early = max(0, at-start), max(0, start-at)
	return v
}

// used is the weighted sum, rounded up.
func (v counterView) used() int64 {
	fading, _ := mulDivUp(v.prev, v.window-v.elapsed, v.window)
	return fading + v.cur
}

// wait is how long it takes until used, which is more than room, falls to it.
func (v counterView) wait(room int64) int64 {
	if v.cur <= room {
		return v.early + fades(v.prev, room-v.cur, v.window) - v.elapsed
	}
	return v.early + v.window - v.elapsed + fades(v.cur, room, v.window)
}

// fades is the least e for which count*(window-e) <= room*window; count is more
// than room.
func fades(count, room, window int64) int64 {
	left, _ := mulDivDown(room, window, count)
	return window - left
}

func (r slidingCounter) decide(s counterState, cost, at int64) Decision {
	var d Decision
	v := r.view(s, at)
	used := v.used()
	switch {
	case cost > r.limit:
		d.RetryAfter = Never
	case used+cost <= r.limit:
		d.Allowed = true
		used += cost
		v.cur += cost
	default:
		d.RetryAfter = span(v.wait(r.limit - cost))
	}
	d.Remaining = max(0, r.limit-used)
	if used > 0 {
		d.NextAfter = span(v.wait(r.limit - d.Remaining - 1))
	}
	switch {
	case v.cur > 0:
		d.ResetAfter = span(v.early + 2*v.window - v.elapsed)
	case v.prev > 0:
		d.ResetAfter = span(v.early + v.window - v.elapsed)
	}
	return d
}

func (r slidingCounter) charge(s counterState, cost, at int64) counterState {
	v := r.view(s, at)
	return counterState{index: v.index, prev: narrow(v.prev), cur: narrow(v.cur + cost)}
}

// refund gives back to the window of the charge, which may have become the
// previous one since.
func (r slidingCounter) refund(s counterState, cost, at int64) counterState {
	switch r.indexAt(at) {
	case s.index:
		s.cur -= narrow(min(cost, int64(s.cur)))
	case s.index - 1:
		s.prev -= narrow(min(cost, int64(s.prev)))
	}
	return s
}

// inherit leaves the counts as they are if the window is the same and they fit.
// Else whatever is used counts as if it had been used now.
func (r slidingCounter) inherit(from slidingCounter, s counterState, was, at int64) counterState {
	v := from.view(s, was)
	used := v.used()
	same := from.window == r.window
	if same && used <= r.limit {
		return s
	}
	now := counterState{index: r.indexAt(at), cur: narrow(min(used, r.limit))}
	if same {
		now.index = v.index
	}
	return now
}
