package simulate

import (
	"cmp"
	"time"
)

// Lines are written when a request ends, so that those of long ones come after
// lines of requests that began later.
const (
	// Window is for how long a line waits for lines of requests that began earlier.
	Window = 10 * time.Second
	// MostWaiting bounds how many lines wait. Where more than that are written within
	// the Window, it is shorter.
	MostWaiting = 128 << 10
)

// order brings requests into the order in which they began.
type order struct {
	spread bool // moments are whole seconds
	emit   func(r *Request)

	waiting []waiting // a heap, the earliest first
	number  uint64
	newest  time.Duration
	second  []*Request // those of one second, to be spread over it
	last    time.Duration
	late    uint64
}

type waiting struct {
	at     time.Duration
	number uint64 // in the log
	r      *Request
}

func (a waiting) compare(b waiting) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.number, b.number))
}

// add takes the next request of the log.
func (o *order) add(r *Request) {
	o.number++
	o.newest = max(o.newest, r.Start)
	push(&o.waiting, waiting{r.Start, o.number, r})
	for len(o.waiting) > MostWaiting || o.waiting[0].at < o.newest-Window {
		o.next(pop(&o.waiting).r)
	}
}

// flush takes no more requests.
func (o *order) flush() {
	for len(o.waiting) > 0 {
		o.next(pop(&o.waiting).r)
	}
	o.release()
}

// next takes the next request in order, or one that came too late to be there.
func (o *order) next(r *Request) {
	if r.Start < o.last {
		o.late++
	}
	o.last = max(o.last, r.Start)
	if !o.spread {
		o.emit(r)
		return
	}
	if len(o.second) > 0 && (o.second[0].Start != r.Start || len(o.second) >= MostWaiting) {
		o.release()
	}
	o.second = append(o.second, r)
}

// release spreads requests of which only the second is known evenly over it, in
// their order.
func (o *order) release() {
	for i, r := range o.second {
		r.Start += time.Duration(i) * time.Second / time.Duration(len(o.second))
		o.emit(r)
	}
	clear(o.second)
	o.second = o.second[:0]
}

// ordered is what can lie in a heap.
type ordered[T any] interface{ compare(T) int }

// push adds to a heap of which the least comes first.
func push[T ordered[T]](heap *[]T, v T) {
	h := append(*heap, v)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].compare(v) <= 0 {
			break
		}
		h[i], i = h[up], up
	}
	h[i] = v
	*heap = h
}

// pop takes the least from a heap.
func pop[T ordered[T]](heap *[]T) T {
	h := *heap
	least, v := h[0], h[len(h)-1]
	var none T
	h[len(h)-1] = none
	h = h[:len(h)-1]
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].compare(h[down]) < 0 {
			down++
		}
		if h[down].compare(v) >= 0 {
			break
		}
		h[i], i = h[down], down
	}
	if len(h) > 0 {
		h[i] = v
	}
	*heap = h
	return least
}
