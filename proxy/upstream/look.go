package upstream

import (
	"slices"
	"time"
)

// Look tells what Acquire would do at this moment, and changes nothing: which
// endpoint a request would get, or for what reason none. Every request that comes
// in between may change that.
type Look struct {
	// Instance is the key of the endpoint's instance, Target what is dialled; empty
	// when there is none.
	Instance, Target string
	// Service is the one of the pool's services that takes the request.
	Service string
	// Share is the index of the share that it was drawn for, 0 where there are none.
	Share int
	// Endpoint is the endpoint, nil for none. It is not held.
	Endpoint *Endpoint
	// Probe says that the request would find out whether a benched endpoint is back.
	Probe bool
	// Reason is Acquired when there is an endpoint.
	Reason Reason
}

// Look looks at the pool for a request of that key.
func (p *Pool) Look(key uint64, now time.Time) Look {
	return p.foretake(key, now, alone)
}

// foretake is take for an attempt that does not come about.
func (p *Pool) foretake(key uint64, now time.Time, as part) Look {
	switch {
	case p.over != nil:
		return p.over.lookFor(key, now, as)
	case p.cut != nil:
		return p.cut.lookFor(key, now)
	}
	return p.look(key, now, as)
}

func (f *failover) lookFor(key uint64, now time.Time, as part) Look {
	best, benched := Look{Reason: Unknown}, false
	for _, p := range f.tiers {
		l := p.look(key, now, spared)
		if l.Reason == Acquired || l.Reason == AtCapacity {
			return l
		}
		best.Reason = max(best.Reason, l.Reason)
		benched = benched || l.Reason == AllBenched
	}
	if benched && as == spared {
		best.Reason = AllBenched
	} else if benched {
		for _, p := range f.tiers {
			if l := p.look(key, now, lastly); l.Reason == Acquired {
				return l
			}
		}
	}
	return best
}

// look is acquire for an attempt that does not come about.
func (p *Pool) look(key uint64, now time.Time, as part) Look {
	v := p.svc
	v.mu.Lock()
	defer v.mu.Unlock()
	a := Attempt{Key: key}
	l := Look{Service: p.spec.Service}
	if !p.seated { // Acquire would have it seated anew
		l.Reason = v.missingLocked()
		if l.Reason == Acquired {
			l.Reason = NoneHealthy
		}
		return l
	}
	at := -1
	if p.waiting && !now.Before(p.nextProbe) {
		at = p.toProbeLocked(&a, now)
	}
	if at < 0 {
		if !slices.ContainsFunc(p.cands, func(c Candidate) bool { return c.Weight > 0 }) {
			if p.waiting && as != spared {
				at = p.toProbeLocked(&a, time.Time{})
			}
		} else {
			at = p.foreseeLocked(key)
		}
	}
	if at < 0 {
		l.Reason = p.whyLocked(&a)
		return l
	}
	e := p.eps[at]
	l.Instance, l.Target, l.Probe, l.Endpoint = e.id.key, e.id.target, e.bench.benched, e
	return l
}

// foreseeLocked is chooseLocked without its effects, of a pool with an open
// candidate.
func (p *Pool) foreseeLocked(key uint64) int {
	if !p.dividedLocked() {
		return foresee(p.picker, p.cands, key)
	}
	near, far := p.cands[:p.zones.near], p.cands[p.zones.near:]
	z := p.zones
	goesFar := z.spill > 0 && (key != 0 && mix(key)>>48 < uint64(z.spill) || key == 0 && z.owed+z.spill >= wholeShare)
	nobody := func(c []Candidate) bool {
		return !slices.ContainsFunc(c, func(c Candidate) bool { return c.Weight > 0 })
	}
	if goesFar && !nobody(far) || nobody(near) {
		return foresee(z.picker, far, key) + z.near
	}
	return foresee(p.picker, near, key)
}

// foresee is Pick without its effects, with an open candidate. A lot is drawn by
// dice of the same state.
func foresee(k Picker, c []Candidate, key uint64) int {
	switch k := k.(type) {
	case *leastConn:
		return leastLoaded(c)
	case *hash:
		other := *k
		return other.Pick(slices.Clone(c), key)
	case *random:
		other := *k
		return other.Pick(c, key)
	case *twoChoices:
		other := *k
		return other.Pick(c, key)
	default: // keeps nothing of its own
		return k.Pick(slices.Clone(c), key)
	}
}

// Tiers are the pools with endpoints that the pool is made of, in order: the pool
// itself when it is not made of pools. Those of a pool with fallbacks stand for one
// another; those of one that splits are its shares', and one may be there twice.
func (p *Pool) Tiers() []*Pool {
	var tiers []*Pool
	p.each(func(part *Pool) {
		if part.svc != nil {
			tiers = append(tiers, part)
		}
	})
	return tiers
}
