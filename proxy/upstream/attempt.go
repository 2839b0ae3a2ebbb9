package upstream

import "time"

// MaxAttempts is how many endpoints one request may be sent to.
const MaxAttempts = 8

// Attempt follows one request over the endpoints that it tries. It belongs to
// one goroutine at a time. The zero value is ready; set it back to the zero
// value, after Release, before the next request.
type Attempt struct {
	// Key says whose request it is to the balancer that keeps the requests of
	// one key together: a hash of the client's address, say. 0 means that the
	// request has none. The other balancers do not look at it.
	Key uint64

	ep    *Endpoint // held, counted in its in-flight
	probe uint32    // the endpoint's probe that this attempt is, 0 for none
	last  Outcome   // the last one reported
	n     uint8
	share uint8 // that the request was last drawn for, where there are several
	tried [MaxAttempts]*Endpoint
}

// Endpoint returns the endpoint that is held, nil when none is.
func (a *Attempt) Endpoint() *Endpoint { return a.ep }

// Tries returns the number of endpoints acquired so far, the held one included.
func (a *Attempt) Tries() int { return int(a.n) }

// Share returns the index of the share that the request was last drawn for, whether
// that had an endpoint for it or was full; 0 where there are none, or before.
func (a *Attempt) Share() int { return int(a.share) }

// Last returns the outcome reported last, 0 when none has been.
func (a *Attempt) Last() Outcome { return a.last }

// Probe reports whether the held endpoint is benched and this request is the
// one that finds out whether it is back.
func (a *Attempt) Probe() bool { return a.probe != 0 }

// Report tells how the held endpoint fared: once its response head is there, or
// once it is known that none will be. A failure while the body is copied is
// reported on top of that. It does nothing when no endpoint is held.
func (a *Attempt) Report(o Outcome, now time.Time) {
	e := a.ep
	if e == nil {
		return
	}
	a.last = o
	if o == Success && a.probe == 0 && e.streak.Load() == 0 {
		return
	}
	e.svc.mu.Lock()
	event := e.reportLocked(o, a.probe, now)
	e.svc.mu.Unlock()
	if o != Canceled {
		a.probe = 0
	}
	e.svc.set.tell(e, event, o)
}

// Release gives the held endpoint back: when the body is done, not before. It
// does nothing when none is held.
func (a *Attempt) Release() {
	e := a.ep
	if e == nil {
		return
	}
	v := e.svc
	v.mu.Lock()
	e.inFlight--
	e.settleLocked()
	if a.probe != 0 {
		e.abandonLocked(a.probe)
	}
	retired := len(e.seats) == 0 && e.retireLocked()
	v.mu.Unlock()
	a.ep, a.probe = nil, 0
	if retired {
		e.slots.close()
	}
}
