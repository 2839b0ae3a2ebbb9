package limits

import (
	"math"
	"time"
)

// estimate is what is known of one key. Times are in nanoseconds; 0 is not known
// yet.
type estimate struct {
	limit float64
	short float64 // how long answers took in the last window
	long  float64 // how long they usually take
	// quick says that nothing has yet spoken against the limit, which grows faster.
	quick bool
	// back is the limit to go back to when a probe is under way, else 0, and before
	// how long answers took without it.
	back, before float64
	// known is the limit when it was last clear how long answers usually take, and
	// since how long ago that is.
	known, since float64
}

// sample is what answers told in one window.
type sample struct {
	sum      float64 // of the times that they took
	served   int64   // how many there were
	dropped  int64   // how many others failed for lack of capacity
	inFlight int64   // the most that was in flight when one of them began
}

const (
	// leastGradient bounds how far one window can bring the limit down, against
	// outliers.
	leastGradient = 0.5
	// fewDrops is the share of attempts that may be dropped without any
	// consequence: some always are.
	fewDrops = 0.01
	// queued is how far a probe has to bring down the time that answers take, for
	// that to have been the fault of a queue. With a queue it halves, or nearly so.
	queued = 0.8
)

// next is what is known after one more window, which took so long. It follows the
// idea of Gradient2 in Netflix's concurrency-limits
// (https://github.com/Netflix/concurrency-limits): the gradient, of how long
// answers usually take to how long they take now, tells of a queue inside the
// service. Below 1, or rather one divided by the tolerance, the limit shrinks in
// proportion; else it grows by the square root of itself, which is how long a
// queue is allowed to be. It does not grow while less than half of it is used,
// since that proves nothing.
//
// It differs in what is usual. There, that is an average of all windows; under a
// load that doesn't cease, it creeps up to what the queue makes of it, and the
// limit after it, without an end. Here, slower answers are taken for usual only
// where that can't be the limit's doing: while less than half of it is used, or
// after a probe, a window in which the limit is half of what it was. Answers that
// take as long as before had no queue to wait in, and it is the service that has
// become slower; else what they take now is without the queue. There is a probe
// when the limit has been used for a whole long window, when it has halved, and
// when it has grown to where it first was too much. How long answers took before
// it is told by Little's law, too, since while a queue grows the answers are those
// of requests that came when it was shorter.
//
// Drops leave no room for a queue, and shrink the limit by their share.
func (s AdaptiveConcurrencySpec) next(e estimate, w sample, took time.Duration) estimate {
	if e.back > 0 {
		return e.afterProbe(w)
	}
	idle := 2*float64(w.inFlight) < e.limit
	if w.served > 0 {
		e.short = w.sum / float64(w.served)
		e.learn(idle, min(1, float64(took)/float64(s.LongWindow)))
	}
	if idle {
		e.known, e.since = e.limit, 0
		return e
	}
	e.since += float64(took)
	gradient, queue := 1.0, math.Sqrt(e.limit)
	if w.served > 0 && e.short > 0 {
		gradient = min(1, s.Tolerance*e.long/e.short)
	}
	if e.quick && gradient == 1 {
		queue = e.limit
	}
	if share := float64(w.dropped) / max(1, float64(w.served+w.dropped)); share > fewDrops {
		gradient, queue = min(gradient, 1-share), 0
	}
	towards := e.limit*max(leastGradient, gradient) + queue
	e.limit = s.within(e.limit + s.Smoothing*(towards-e.limit))
	if w.served > 0 && (e.quick && gradient < 1 || 2*e.limit < e.known || e.since > float64(s.LongWindow)) {
		e.back, e.before = e.limit, max(e.short, float64(w.inFlight)*float64(took)/float64(w.served))
		e.limit = s.within(e.limit / 2)
	}
	e.quick = gradient == 1 && (e.quick || e.limit <= float64(s.Min))
	return e
}

// learn takes a window's answers into account for what is usual: quicker ones
// always, slower ones if the limit is idle.
func (e *estimate) learn(idle bool, weight float64) {
	if e.long == 0 {
		e.long = e.short
	}
	if e.short < e.long || idle {
		e.long += weight * (e.short - e.long)
	}
	if e.long > 2*e.short { // it has become much quicker: don't wait for the average to follow
		e.long *= 0.95
	}
}

// afterProbe goes back to the limit before a probe, with what that told.
func (e estimate) afterProbe(w sample) estimate {
	before := e.before
	e.limit, e.back, e.before = e.back, 0, 0
	e.known, e.since = e.limit, 0
	if w.served == 0 {
		return e
	}
	now := w.sum / float64(w.served)
	switch {
	case now > queued*before:
		e.long, e.quick = now, true
	case now < e.long:
		e.long = now
	}
	e.short = now
	return e
}

// counts reports whether an answer counts of which so much was in flight when it
// was asked for. During a probe, what had begun before doesn't.
func (e *estimate) counts(inFlight int64) bool {
	return e.back == 0 || float64(inFlight) <= e.limit
}

func (s AdaptiveConcurrencySpec) within(limit float64) float64 {
	return min(max(limit, float64(s.Min)), float64(s.Max))
}
