package limits

import (
	"math"
	"math/bits"
)

// slidingCounter is the arithmetic of PrecisionCounter. With the time e elapsed
// of the current window, W long, a request of cost c passes if
//
//	prev*(W-e) + (cur+c)*W <= L*W
//
// which, all of cur, c and L being whole, is the same as
//
//	ceil(prev*(W-e)/W) + cur + c <= L
//
// The products are exact in 128 bits.
//
// A state is the index of the window that was charged last, how much of it is
// used, and how much of the one before. They share a word where they fit; else
// the last of them, which changes once a window, lies beside it.
type slidingCounter struct {
	limit, window int64
	perWindow     divisor
	bits          uint  // of a count in the word
	most          int64 // the largest count that fits there
	beside        bool  // the window before is beside the word
}

func newSlidingCounter(limit, window int64) slidingCounter {
	left := 63 - indexBits(window) // for counts
	r := slidingCounter{limit: limit, window: window, perWindow: divisorOf(window), bits: left / 2}
	if need := uint(bits.Len64(unsigned(limit))); need > r.bits {
		r.bits, r.beside = left, true
	}
	r.most = min(int64(1)<<r.bits-1, math.MaxUint32)
	return r
}

// counterState counts the window that was charged last, and the one before.
type counterState struct{ index, prev, cur int64 }

func (r *slidingCounter) state(word int64, c counts) counterState {
	s := counterState{cur: word & (1<<(r.bits&63) - 1)}
	word >>= r.bits & 63
	if !r.beside {
		s.prev = word & r.most
		word >>= r.bits & 63
	} else if len(c) > 0 {
		s.prev = int64(c[0].Load())
	}
	s.index = word
	return s
}

// word is the state but for what lies beside it.
func (r *slidingCounter) word(s counterState) int64 {
	if r.beside {
		return s.index<<(r.bits&63) | s.cur
	}
	return (s.index<<(r.bits&63)|s.prev)<<(r.bits&63) | s.cur
}

// keep is word, and writes what lies beside it.
func (r *slidingCounter) keep(s counterState, c counts) int64 {
	if len(c) > 0 {
		c[0].Store(narrow(s.prev))
	}
	return r.word(s)
}

func (r slidingCounter) stride() int {
	if r.beside {
		return 1
	}
	return 0
}

func (r slidingCounter) clock(now Time) int64 { return min(int64(now.Mono), int64(latest)) }

func (r slidingCounter) lag(digest) int64 { return 0 }

func (r slidingCounter) fresh(at int64) int64 { return r.word(counterState{index: r.indexAt(at)}) }

func (r *slidingCounter) indexAt(at int64) int64 { return r.perWindow.divide(withinReach(at)) }

// expiry takes what lies beside the word for something that counts.
func (r slidingCounter) expiry(word int64) int64 {
	s := r.state(word, nil)
	switch {
	case s.cur > 0:
		return (s.index + 2) * r.window
	case s.prev > 0 || r.beside:
		return (s.index + 1) * r.window
	default:
		return s.index * r.window
	}
}

func (r slidingCounter) debt(word, at int64) int64 { return r.spent(word, nil, at) }

func (r slidingCounter) spent(word int64, c counts, at int64) int64 {
	v := r.view(r.state(word, c), at)
	return r.used(&v)
}

// counterView is a state as it stands at one moment.
type counterView struct {
	index, prev, cur int64
	elapsed          int64 // of the current window
	early            int64 // how long before the current window a late caller is
}

// view turns the windows over. The index never goes back: who comes late is
// counted as at the start of the newest window known.
func (r *slidingCounter) view(s counterState, at int64) counterView {
	v := counterView{index: s.index, prev: s.prev, cur: s.cur}
	start := v.index * r.window
	if at >= start+r.window {
		i := r.indexAt(at)
		if i == s.index+1 {
			v.prev = v.cur
		} else {
			v.prev = 0
		}
		v.index, v.cur = i, 0
		start = i * r.window
	}
	v.elapsed, v.early = max(0, at-start), max(0, start-at)
	return v
}

// used is the weighted sum, rounded up.
func (r *slidingCounter) used(v *counterView) int64 {
	if v.prev == 0 {
		return v.cur
	}
	hi, lo := bits.Mul64(unsigned(v.prev), unsigned(r.window-v.elapsed))
	if hi != 0 || lo > math.MaxInt64-unsigned(r.window) {
		fading, _ := mulDivUp(v.prev, r.window-v.elapsed, r.window)
		return fading + v.cur
	}
	return r.perWindow.divide(signed(lo)+r.window-1) + v.cur
}

// wait is how long it takes until used, which is more than room, falls to it.
func (r *slidingCounter) wait(v *counterView, room int64) int64 {
	if v.cur <= room {
		return v.early + fades(v.prev, room-v.cur, r.window) - v.elapsed
	}
	return v.early + r.window - v.elapsed + fades(v.cur, room, r.window)
}

// fades is the least e for which count*(window-e) <= room*window; count is more
// than room.
func fades(count, room, window int64) int64 {
	hi, lo := bits.Mul64(unsigned(room), unsigned(window))
	if hi == 0 {
		return window - signed(lo/unsigned(count))
	}
	left, _ := bits.Div64(hi, lo, unsigned(count))
	return window - signed(left)
}

func (r slidingCounter) decide(word, cost, at int64) Decision { return r.answer(word, nil, cost, at) }

func (r slidingCounter) answer(word int64, c counts, cost, at int64) (d Decision) {
	v := r.view(r.state(word, c), at)
	r.fill(&d, &v, cost)
	return d
}

// fill answers for a view, which it charges, in a zero Decision.
func (r *slidingCounter) fill(d *Decision, v *counterView, cost int64) {
	used := r.used(v)
	switch {
	case cost > r.limit:
		d.RetryAfter = Never
	case used+cost <= r.limit:
		d.Allowed = true
		used += cost
		v.cur += cost
	default:
		d.RetryAfter = span(r.wait(v, r.limit-cost))
	}
	d.Remaining = max(0, r.limit-used)
	if used > 0 {
		d.NextAfter = span(r.wait(v, r.limit-d.Remaining-1))
	}
	switch {
	case v.cur > 0:
		d.ResetAfter = span(v.early + 2*r.window - v.elapsed)
	case v.prev > 0:
		d.ResetAfter = span(v.early + r.window - v.elapsed)
	}
}

// charge needs a word of the window at the moment, or no counts beside words.
func (r slidingCounter) charge(word, cost, at int64) int64 {
	if r.beside {
		return word + cost
	}
	v := r.view(r.state(word, nil), at)
	return r.word(counterState{index: v.index, prev: v.prev, cur: v.cur + cost})
}

func (r slidingCounter) turns(word, at int64) bool {
	return r.beside && at >= (word>>(r.bits&63)+1)*r.window
}

func (r slidingCounter) turn(word int64, c counts, at int64) int64 {
	if !r.turns(word, at) {
		return word
	}
	v := r.view(r.state(word, c), at)
	return r.keep(counterState{index: v.index, prev: v.prev}, c)
}

func (r slidingCounter) refund(word, cost, at int64) int64 { return r.giveBack(word, nil, cost, at) }

// giveBack gives back to the window of the charge, which may have become the
// previous one since.
func (r slidingCounter) giveBack(word int64, c counts, cost, at int64) int64 {
	s := r.state(word, c)
	switch r.indexAt(at) {
	case s.index:
		s.cur -= min(cost, s.cur)
	case s.index - 1:
		s.prev -= min(cost, s.prev)
	}
	return r.keep(s, c)
}

func (r slidingCounter) inherit(from slidingCounter, word, was, at int64) int64 {
	return r.succeed(from, word, nil, was, at, nil)
}

// succeed leaves the counts as they are if the window is the same and they fit.
// Else whatever is used counts as if it had been used now.
func (r slidingCounter) succeed(from slidingCounter, word int64, c counts, was, at int64, next counts) int64 {
	s := from.state(word, c)
	v := from.view(s, was)
	used := from.used(&v)
	same := from.window == r.window
	if same && used <= r.limit && max(s.prev, s.cur) <= r.most {
		return r.keep(s, next)
	}
	now := counterState{index: r.indexAt(at), cur: min(used, r.limit)}
	if same {
		now.index = v.index
	}
	return r.keep(now, next)
}
