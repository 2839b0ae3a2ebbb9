package upstream

import "time"

// Benching. An endpoint that refuses a connection is benched at once; one that
// breaks or times out failureLimit times in a row is too, but only while less
// than half of every pool that seats it is benched: when most of a service is
// slow, sending all of its load to the rest makes it slower, whereas an
// endpoint that takes no connection serves nobody either way.
//
// A benched endpoint gets no requests but probes: real requests, one at a time,
// the first benchMin after it was benched and each failed one doubling the
// wait, up to benchMax. Waits are drawn from their upper half, so that gateways
// do not probe in step. One success ends it.
//
// When a request has nobody else to go to, the wait is not kept: of the benched
// endpoints that are not being probed, the one whose turn was longest ago gets
// it as its probe. So a service that is wholly down sees one request an endpoint
// at a time, all others are answered at once, and the first request after it is
// back finds it. That success also makes the other benched endpoints due at
// once, since what went down together mostly comes back together.
const (
	failureLimit = 5
	benchMin     = 500 * time.Millisecond
	benchMax     = 30 * time.Second
)

// bench is an endpoint's place on the bench. The zero value is off it.
type bench struct {
	benched bool
	cause   Outcome
	step    uint8     // failed probes, which double the wait
	until   time.Time // when a probe is due
	probe   uint32    // the probe that is under way, 0 for none
	early   bool      // that probe did not wait for until
	turn    uint64    // orders endpoints by when each was benched or last probed
	probes  uint32    // numbers the probes, so that a late one can't speak for another
}

// clear takes the endpoint off the bench.
func (b *bench) clear() { *b = bench{probes: b.probes} }

// probeLocked begins a probe and returns its number.
func (e *Endpoint) probeLocked(now time.Time) uint32 {
	b := &e.bench
	e.svc.turn++
	b.turn = e.svc.turn
	b.probes++
	if b.probes == 0 { // 0 means none
		b.probes = 1
	}
	b.probe, b.early = b.probes, now.Before(b.until)
	return b.probe
}

// wait returns how long the next probe has to wait: between half of
// benchMin * 2^step and all of it, at most benchMax.
func (b *bench) wait(d *dice) time.Duration {
	w := benchMax
	if b.step < 16 {
		w = min(benchMin<<b.step, benchMax)
	}
	return w/2 + time.Duration(d.below(uint64(w/2)+1)) //nolint:gosec // w is positive, the result below it
}

// event is what a report changed.
type event uint8

const (
	nothing event = iota
	sentToBench
	backFromBench
)

// reportLocked takes an outcome into account. Probe is the number of the probe
// whose outcome it is, 0 for an ordinary request.
func (e *Endpoint) reportLocked(o Outcome, probe uint32, now time.Time) event {
	b := &e.bench
	mine := probe != 0 && probe == b.probe
	switch o {
	case Success:
		e.streak.Store(0)
		if !mine {
			return nothing
		}
		e.comeBackLocked(now)
		return backFromBench
	case Refused, Broke, TimedOut:
	default:
		return nothing
	}
	e.failures[o]++
	streak := e.streak.Add(1)
	switch {
	case mine:
		if !b.early && b.step < 16 {
			b.step++
		}
		b.probe, b.cause = 0, o
		b.until = now.Add(b.wait(&e.svc.dice))
		e.surveyLocked()
		return nothing
	case b.benched, len(e.seats) == 0: // known, or draining
		return nothing
	case o == Refused, streak >= failureLimit && e.spareLocked():
		e.svc.turn++
		b.benched, b.cause, b.step, b.turn = true, o, 0, e.svc.turn
		b.until = now.Add(b.wait(&e.svc.dice))
		e.surveyLocked()
		return sentToBench
	}
	return nothing
}

// spareLocked reports whether every pool that seats the endpoint can spare it:
// with it, at most half of those that the catalog calls eligible are benched.
func (e *Endpoint) spareLocked() bool {
	for _, s := range e.seats {
		if 2*(s.pool.benched+1) > s.pool.eligible {
			return false
		}
	}
	return true
}

// comeBackLocked takes the endpoint off the bench. If some pool had nobody but
// benched endpoints, those become due too.
func (e *Endpoint) comeBackLocked(now time.Time) {
	for _, s := range e.seats {
		if s.pool.benched < s.pool.eligible {
			continue
		}
		for _, other := range s.pool.eps {
			if other.bench.benched {
				other.bench.until, other.bench.step = now, 0
			}
		}
	}
	e.bench.clear()
	e.settleLocked()
	for _, p := range e.svc.pools {
		p.surveyLocked()
	}
}

// abandonLocked ends a probe that nobody reported on: the next may start.
func (e *Endpoint) abandonLocked(probe uint32) {
	if e.bench.probe == probe {
		e.bench.probe = 0
		e.surveyLocked()
	}
}
