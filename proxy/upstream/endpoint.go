package upstream

import (
	"sync/atomic"

	"github.com/lictor/lictor/catalog"
)

// identity tells endpoints of one service apart. An instance that moves to
// another target is another endpoint.
type identity struct{ key, target string }

// seat is the place of an endpoint in a pool.
type seat struct {
	pool  *Pool
	index int
}

// Endpoint is the live twin of one catalog instance. It is shared by all pools
// of its service that seat it.
//
// An endpoint that no pool seats any more is draining: what is in flight goes
// on, and when nothing is, the endpoint retires and closes its connections. An
// instance that returns while its endpoint drains gets the same one back.
type Endpoint struct {
	svc      *service
	id       identity
	hash     uint64 // of id
	instance atomic.Pointer[catalog.Instance]
	slots    connections

	// streak counts failures since the last success. It is written under
	// svc.mu and read without, so that reporting a success costs no lock.
	streak atomic.Int32

	// What follows is guarded by svc.mu.
	seats    []seat
	stamp    uint64 // the seating that saw the endpoint last
	inFlight int32
	weight   int32
	eligible bool
	retired  bool

	bench    bench
	requests uint64
	failures [outcomes]uint64
}

// Service returns the name of the service.
func (e *Endpoint) Service() string { return e.svc.name }

// Key returns the instance's key, unique within its service.
func (e *Endpoint) Key() string { return e.id.key }

// Target returns what to dial: "host:port", or "unix:path". It never changes.
func (e *Endpoint) Target() string { return e.id.target }

// Instance returns the newest catalog entry of the instance. It is never nil
// and must not be changed.
func (e *Endpoint) Instance() *catalog.Instance { return e.instance.Load() }

// InFlight returns the number of exchanges that hold the endpoint.
func (e *Endpoint) InFlight() int {
	e.svc.mu.Lock()
	defer e.svc.mu.Unlock()
	return int(e.inFlight)
}

// Draining reports whether no pool offers the endpoint any more.
func (e *Endpoint) Draining() bool {
	e.svc.mu.Lock()
	defer e.svc.mu.Unlock()
	return len(e.seats) == 0
}

// updateLocked takes over a new catalog entry. An instance that its checks had
// taken out and now let in again starts with a clean record: its origin has
// just tried it.
func (e *Endpoint) updateLocked(i *catalog.Instance) {
	was := e.eligible
	e.instance.Store(i)
	e.weight = int32(min(max(i.Weight, 1), maxWeight))
	e.eligible = i.Eligible()
	if e.eligible && !was {
		e.streak.Store(0)
		e.bench.clear()
	}
}

// takeLocked counts one more exchange in.
func (e *Endpoint) takeLocked() {
	e.inFlight++
	e.requests++
	e.settleLocked()
}

// settleLocked brings every pool's view of the endpoint up to date.
func (e *Endpoint) settleLocked() {
	for _, s := range e.seats {
		s.pool.settleLocked(s.index)
	}
}

// surveyLocked lets every pool that seats the endpoint count again, after it
// was benched, probed or let in.
func (e *Endpoint) surveyLocked() {
	for _, s := range e.seats {
		s.pool.settleLocked(s.index)
		s.pool.surveyLocked()
	}
}

// seatLocked returns the endpoint's index in the pool, -1 when it has none.
func (e *Endpoint) seatLocked(p *Pool) int {
	for _, s := range e.seats {
		if s.pool == p {
			return s.index
		}
	}
	return -1
}

// unseatLocked takes the endpoint's seat in the pool away.
func (e *Endpoint) unseatLocked(p *Pool) {
	for i, s := range e.seats {
		if s.pool == p {
			last := len(e.seats) - 1
			e.seats[i] = e.seats[last]
			e.seats[last] = seat{}
			e.seats = e.seats[:last]
			return
		}
	}
}

// retireLocked gives the endpoint up if nobody needs it. It reports whether it
// did; the caller then closes the connections once the lock is free.
func (e *Endpoint) retireLocked() bool {
	if e.retired || len(e.seats) > 0 || e.inFlight > 0 {
		return false
	}
	e.retired = true
	delete(e.svc.endpoints, e.id)
	e.svc.past.add(e)
	return true
}
