package upstream

import (
	"slices"
	"time"

	"github.com/lictor/lictor/catalog"
)

// Pool is what a route sends its requests to: the endpoints of one service that
// match a PoolSpec, and a balancer. It lives for as long as any route names its
// spec, through every change of the catalog and of the policies.
//
// A pool whose spec names fallbacks, or splits, has no endpoints of its own: it
// holds a pool for each of its services, or shares.
type Pool struct {
	spec PoolSpec
	key  poolKey
	svc  *service  // nil for a pool made of pools, which has one of these two
	over *failover // of one with fallbacks
	cut  *split    // of one that splits

	// ahead is what the pool is filled by in place of what is known of the service,
	// nil for nothing. It is guarded by set.mu.
	ahead *catalog.Service
	// past is what the pool was filled by when Retain dropped it, nil for one that is
	// in use. It is guarded by set.mu.
	past *catalog.Service

	// What follows is guarded by svc.mu.
	seated bool // false once Retain dropped the pool
	eps    []*Endpoint
	cands  []Candidate // cands[i] is eps[i] as the balancer sees it
	picker Picker
	zones  zones
	budget budget

	eligible  int       // endpoints that the catalog calls eligible
	benched   int       // those of them that are benched
	nextProbe time.Time // when the next benched one is due, if any waits
	waiting   bool      // some benched one is not being probed
}

// Spec returns what the pool was made for, in canonical form. It must not be
// changed.
func (p *Pool) Spec() PoolSpec { return p.spec }

// Service returns the name of the pool's service, empty for a pool that splits.
func (p *Pool) Service() string { return p.spec.Service }

// Acquire picks an endpoint for the request and counts the request in, both in
// one act. The attempt holds the endpoint until Release; one that it still
// holds is released first, and none that it has tried is picked again. When
// there is no endpoint the reason says why.
func (p *Pool) Acquire(a *Attempt, now time.Time) (*Endpoint, Reason) {
	a.Release()
	if p.svc == nil {
		return p.take(a, now, alone)
	}
	return p.acquire(a, now, alone)
}

// take is acquire for any kind of pool. A split is never a part of another pool.
func (p *Pool) take(a *Attempt, now time.Time, as part) (*Endpoint, Reason) {
	switch {
	case p.over != nil:
		return p.over.acquire(a, now, as)
	case p.cut != nil:
		return p.cut.acquire(a, now)
	}
	return p.acquire(a, now, as)
}

// part is the part that a pool has in answering a request.
type part uint8

const (
	// alone: nobody else could take the request.
	alone part = iota
	// spared: if the pool has nobody in good order, others take the request.
	spared
	// lastly: the others have had nobody either.
	lastly
)

// acquire is Acquire for an attempt that holds nothing, of a pool with endpoints.
func (p *Pool) acquire(a *Attempt, now time.Time, as part) (*Endpoint, Reason) {
	v := p.svc
	v.mu.Lock()
	for !p.seated {
		v.mu.Unlock()
		v.set.adopt(p)
		v.mu.Lock()
	}
	if a.n == 0 && as == alone {
		p.budget.request(now)
	}
	i := p.pickLocked(a, now, as != spared)
	if i < 0 {
		why := p.whyLocked(a)
		v.mu.Unlock()
		return nil, why
	}
	e := p.eps[i]
	if e.bench.benched {
		a.probe = e.probeLocked(now)
		e.surveyLocked()
	}
	e.takeLocked()
	if a.n > 0 {
		v.retries[a.last]++
	}
	v.mu.Unlock()
	a.ep = e
	a.tried[a.n] = e
	a.n++
	return e, Acquired
}

// Retry asks whether the request may be sent once more although bytes of it
// went out, and spends one retry of its pool's budget if so. A failed connect
// needs no leave. The request itself must be fit to be repeated.
func (p *Pool) Retry(now time.Time) bool {
	switch {
	case p.over != nil:
		return p.over.retry(now)
	case p.cut != nil:
		return p.cut.retry(now)
	}
	p.svc.mu.Lock()
	defer p.svc.mu.Unlock()
	return p.budget.spend(now)
}

// pickLocked returns the index of the endpoint to use, -1 for none. A probe that
// is due goes before the balancer, but not with a request that has failed once
// already; one that is not due goes to a request that nobody else can take, if
// early allows that.
func (p *Pool) pickLocked(a *Attempt, now time.Time, early bool) int {
	if a.n == MaxAttempts {
		return -1
	}
	if a.n == 0 {
		if p.waiting && !now.Before(p.nextProbe) {
			if i := p.toProbeLocked(a, now); i >= 0 {
				return i
			}
		}
		if i := p.chooseLocked(a.Key); i >= 0 || !p.waiting || !early {
			return i
		}
		return p.toProbeLocked(a, time.Time{})
	}
	p.closeTriedLocked(a, true)
	i := p.chooseLocked(a.Key)
	p.closeTriedLocked(a, false)
	if i < 0 && p.waiting && early {
		i = p.toProbeLocked(a, time.Time{})
	}
	return i
}

// closeTriedLocked closes what the attempt has tried, or opens it again.
func (p *Pool) closeTriedLocked(a *Attempt, closed bool) {
	for _, e := range a.tried[:a.n] {
		if e.svc != p.svc {
			continue // of a pool that p takes over from
		}
		i := e.seatLocked(p)
		switch {
		case i < 0:
		case closed:
			p.cands[i].Weight = 0
			if p.dividedLocked() {
				p.changedSideLocked(i)
			} else {
				p.picker.Changed(p.cands, i)
			}
		default:
			p.settleLocked(i)
		}
	}
}

// toProbeLocked returns the benched endpoint that is due at the time, that nobody
// is probing, and whose last turn is longest ago; -1 for none. The zero time
// asks for any, due or not.
func (p *Pool) toProbeLocked(a *Attempt, now time.Time) int {
	best := -1
	for i, e := range p.eps {
		b := &e.bench
		if !e.eligible || !b.benched || b.probe != 0 || p.fullLocked(e) || a.has(e) {
			continue
		}
		if !now.IsZero() && now.Before(b.until) {
			continue
		}
		if best < 0 || b.turn < p.eps[best].bench.turn {
			best = i
		}
	}
	return best
}

// whyLocked says why there is no endpoint.
func (p *Pool) whyLocked(a *Attempt) Reason {
	if r := p.svc.missingLocked(); r != Acquired {
		return r
	}
	if p.eligible == 0 {
		return NoneHealthy
	}
	if a.n == MaxAttempts {
		return AllTried
	}
	why := AllTried
	for _, e := range p.eps {
		switch {
		case !e.eligible || a.has(e):
		case p.fullLocked(e):
			return AtCapacity
		default:
			why = AllBenched
		}
	}
	return why
}

// fullLocked reports whether the endpoint is at the pool's bound.
func (p *Pool) fullLocked(e *Endpoint) bool {
	return p.spec.MaxConnections > 0 && int(e.inFlight) >= p.spec.MaxConnections
}

// settleLocked brings the balancer's view of endpoint i up to date.
func (p *Pool) settleLocked(i int) {
	e, c := p.eps[i], &p.cands[i]
	c.InFlight, c.Weight = e.inFlight, p.weightLocked(e)
	if p.dividedLocked() { // written out: twice a request
		p.changedSideLocked(i)
	} else {
		p.picker.Changed(p.cands, i)
	}
}

// weightLocked returns the endpoint's weight, 0 when it is closed.
func (p *Pool) weightLocked(e *Endpoint) int32 {
	if !e.eligible || e.bench.benched || p.fullLocked(e) {
		return 0
	}
	return e.weight
}

// surveyLocked counts who is eligible and who is benched, and finds out when the
// next probe is due. It runs on changes, not on requests.
func (p *Pool) surveyLocked() {
	p.eligible, p.benched, p.waiting = 0, 0, false
	for _, e := range p.eps {
		if !e.eligible {
			continue
		}
		p.eligible++
		b := &e.bench
		if !b.benched {
			continue
		}
		p.benched++
		if b.probe == 0 && (!p.waiting || b.until.Before(p.nextProbe)) {
			p.waiting, p.nextProbe = true, b.until
		}
	}
	p.weighLocked()
}

// has reports whether the attempt has tried the endpoint.
func (a *Attempt) has(e *Endpoint) bool {
	return slices.Contains(a.tried[:a.n], e)
}
