package limits

import "math"

// slidingBuckets is the arithmetic of PrecisionBuckets. The time line is divided
// into parts of the given width, count of which make a window. A unit counts
// from its admission until count whole parts have passed after its own, which is
// never less than a window.
//
// A state is the index of the part that was charged last and how much of it is
// used, in one word, and beside it as many counts: those of the parts before,
// part i at place i mod count.
type slidingBuckets struct {
	limit, width, count int64
	perWidth, perCount  divisor
	bits                uint  // of the count in the word
	most                int64 // the largest that fits there
}

func newSlidingBuckets(limit, width, count int64) slidingBuckets {
	r := slidingBuckets{
		limit: limit, width: width, count: count,
		perWidth: divisorOf(width), perCount: divisorOf(count),
		bits: 63 - indexBits(width),
	}
	r.most = min(int64(1)<<r.bits-1, math.MaxUint32)
	return r
}

func (r *slidingBuckets) pack(index, cur int64) int64 { return index<<(r.bits&63) | cur }

func (r *slidingBuckets) unpack(word int64) (index, cur int64) {
	return word >> (r.bits & 63), word & (1<<(r.bits&63) - 1)
}

func (r slidingBuckets) stride() int { return int(r.count) }

func (r slidingBuckets) clock(now Time) int64 { return min(int64(now.Mono), int64(latest)) }

func (r slidingBuckets) lag(digest) int64 { return 0 }

func (r slidingBuckets) fresh(at int64) int64 { return r.pack(r.indexAt(at), 0) }

func (r *slidingBuckets) indexAt(at int64) int64 { return r.perWidth.divide(withinReach(at)) }

// place is that of part i.
func (r *slidingBuckets) place(i int64) int64 { return i - r.perCount.divide(i)*r.count }

// leaves is when the units of part i stop counting.
func (r *slidingBuckets) leaves(i int64) int64 { return (i + r.count + 1) * r.width }

// expiry takes the part before the word's for one that counts.
func (r slidingBuckets) expiry(word int64) int64 {
	index, cur := r.unpack(word)
	if cur == 0 {
		index--
	}
	return r.leaves(index)
}

func (r slidingBuckets) debt(word, at int64) int64 { return r.spent(word, nil, at) }

func (r slidingBuckets) spent(word int64, c counts, at int64) int64 {
	v := r.view(word, c, at)
	return v.used
}

// partsView is a state as it stands at one moment.
type partsView struct {
	index          int64 // of the current part
	last, cur      int64 // the word's part, and what of it counts
	used           int64 // of all parts
	oldest, newest int64 // of the parts that count, if any is used
}

// view finds what counts. The index never goes back: who comes late is counted
// in the newest part known.
func (r *slidingBuckets) view(word int64, c counts, at int64) (v partsView) {
	v.last, v.cur = r.unpack(word)
	v.index = v.last
	if at >= (v.last+1)*r.width {
		v.index = r.indexAt(at)
	}
	first := max(0, v.index-r.count)
	if len(c) > 0 && first < v.last {
		p := r.place(first)
		for i := first; i < v.last; i++ {
			if n := int64(c[p].Load()); n > 0 {
				if v.used == 0 {
					v.oldest = i
				}
				v.used += n
				v.newest = i
			}
			if p++; p == r.count {
				p = 0
			}
		}
	}
	if first > v.last {
		v.cur = 0
	}
	if v.cur > 0 {
		if v.used == 0 {
			v.oldest = v.last
		}
		v.used += v.cur
		v.newest = v.last
	}
	return v
}

// passes is the moment when at least n of the units used have stopped counting.
func (r *slidingBuckets) passes(v *partsView, c counts, n int64) int64 {
	if len(c) > 0 {
		for i := v.oldest; i < v.last; i++ {
			if n -= int64(c[r.place(i)].Load()); n <= 0 {
				return r.leaves(i)
			}
		}
	}
	return r.leaves(v.last)
}

func (r slidingBuckets) decide(word, cost, at int64) Decision { return r.answer(word, nil, cost, at) }

func (r slidingBuckets) answer(word int64, c counts, cost, at int64) (d Decision) {
	v := r.view(word, c, at)
	r.fill(&d, &v, c, cost, at)
	return d
}

// fill answers for a view, which it charges, in a zero Decision.
func (r *slidingBuckets) fill(d *Decision, v *partsView, c counts, cost, at int64) {
	switch {
	case cost > r.limit:
		d.RetryAfter = Never
	case v.used+cost <= r.limit:
		d.Allowed = true
		if cost > 0 {
			if v.used == 0 {
				v.oldest = v.index
			}
			v.used += cost
			v.newest = v.index
		}
	default:
		d.RetryAfter = span(r.passes(v, c, v.used+cost-r.limit) - at)
	}
	d.Remaining = r.limit - v.used
	if v.used > 0 {
		d.NextAfter = span(r.leaves(v.oldest) - at)
		d.ResetAfter = span(r.leaves(v.newest) - at)
	}
}

// charge needs the word of a key that has turned to the moment.
func (r slidingBuckets) charge(word, cost, _ int64) int64 { return word + cost }

func (r slidingBuckets) turns(word, at int64) bool {
	index, _ := r.unpack(word)
	return at >= (index+1)*r.width
}

func (r slidingBuckets) turn(word int64, c counts, at int64) int64 {
	if !r.turns(word, at) {
		return word
	}
	last, cur := r.unpack(word)
	index := r.indexAt(at)
	if len(c) > 0 {
		for i := max(last, index-r.count); i < index; i++ {
			var n int64
			if i == last {
				n = cur
			}
			if p := &c[r.place(i)]; p.Load() != narrow(n) {
				p.Store(narrow(n))
			}
		}
	}
	return r.pack(index, 0)
}

func (r slidingBuckets) refund(word, cost, at int64) int64 { return r.giveBack(word, nil, cost, at) }

// giveBack gives back to the part of the charge. A late caller, who was counted
// in a newer one, takes it from an older one, which leaves no later.
func (r slidingBuckets) giveBack(word int64, c counts, cost, at int64) int64 {
	last, cur := r.unpack(word)
	switch i := r.indexAt(at); {
	case i == last:
		cur -= min(cost, cur)
	case len(c) > 0 && last-r.count <= i && i < last:
		p := &c[r.place(i)]
		n := p.Load()
		p.Store(n - narrow(min(cost, int64(n))))
	}
	return r.pack(last, cur)
}

func (r slidingBuckets) inherit(from slidingBuckets, word, was, at int64) int64 {
	return r.succeed(from, word, nil, was, at, nil)
}

// succeed keeps parts of the same width, the newest that fit. Else whatever is
// used counts as if it had been used now.
func (r slidingBuckets) succeed(from slidingBuckets, word int64, c counts, was, at int64, next counts) int64 {
	for i := range next {
		next[i].Store(0)
	}
	v := from.view(word, c, was)
	if from.width != r.width || from.count != r.count {
		return r.pack(r.indexAt(at), min(v.used, r.limit))
	}
	excess := max(0, v.used-r.limit)
	for i := max(0, v.index-r.count); i < v.last; i++ {
		p := r.place(i)
		n := int64(0)
		if len(c) > 0 {
			n = int64(c[p].Load())
		}
		less := min(excess, n)
		excess -= less
		if len(next) > 0 {
			next[p].Store(narrow(n - less))
		}
	}
	return r.pack(v.last, v.cur-min(excess, v.cur))
}
