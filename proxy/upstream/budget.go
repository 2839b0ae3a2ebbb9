package upstream

import "time"

// The retry budget: over the last budgetSeconds, at most retryPercent of the
// requests and retryFloor a second besides may be sent again. When an instance
// breaks, its requests find another; when a service breaks, retries add a
// fifth to its load and not a multiple of it.
const (
	budgetSeconds = 10
	retryPercent  = 20
	retryFloor    = 10
)

// budget counts requests and retries by the second. The zero value is ready.
// Its owner serialises the calls. A clock that steps back counts into the
// newest second.
type budget struct {
	second   int64 // the newest second, Unix time
	requests int64 // over the window
	retries  int64
	ring     [budgetSeconds]struct{ requests, retries int64 }
}

// request counts one request.
func (b *budget) request(now time.Time) {
	b.advance(now.Unix())
	b.requests++
	b.ring[b.second%budgetSeconds].requests++
}

// spend counts one retry if the budget has room for it, and reports whether.
func (b *budget) spend(now time.Time) bool {
	b.advance(now.Unix())
	if (b.retries+1)*100 > b.requests*retryPercent+retryFloor*budgetSeconds*100 {
		return false
	}
	b.retries++
	b.ring[b.second%budgetSeconds].retries++
	return true
}

// advance forgets the seconds that have left the window.
func (b *budget) advance(second int64) {
	if second <= b.second {
		return
	}
	for s := max(b.second+1, second-budgetSeconds+1); s <= second; s++ {
		old := &b.ring[s%budgetSeconds]
		b.requests -= old.requests
		b.retries -= old.retries
		old.requests, old.retries = 0, 0
	}
	b.second = second
}
