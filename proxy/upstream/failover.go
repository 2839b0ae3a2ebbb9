package upstream

import (
	"sync"
	"time"
)

// failover is what a pool with fallbacks has instead of endpoints: one pool for
// each of its services, the earlier before the later. Every request asks them in
// order, so that an earlier one is used again at once when it can be, and what
// is in flight is not looked at.
//
// A pool takes over when those before it have nobody whom the catalog calls
// healthy, or nobody who has not failed lately, or nobody left whom this very
// request has not tried. It does not when they are merely full: their bounds
// would mean nothing, and a datacenter's overload would become the next one's.
// A benched endpoint of an earlier pool gets the probe that is due, so that it
// is found when it is back; before that is due only if no pool has anybody.
type failover struct {
	tiers []*Pool

	mu     sync.Mutex
	budget budget // of the requests of all tiers together

	// Guarded by the set's mutex.
	serving  int // the tier that was last seen to serve; unset, or none
	switches uint64
}

const (
	none  = -1
	unset = -2
)

func (f *failover) acquire(a *Attempt, now time.Time, as part) (*Endpoint, Reason) {
	if a.n == 0 && as == alone {
		f.mu.Lock()
		f.budget.request(now)
		f.mu.Unlock()
	}
	// Reasons are ordered by how much they tell.
	why, benched := Unknown, false
	for _, p := range f.tiers {
		e, because := p.acquire(a, now, spared)
		if e != nil || because == AtCapacity {
			return e, because
		}
		why = max(why, because)
		benched = benched || because == AllBenched
	}
	switch {
	case !benched:
		return nil, why
	case as == spared:
		return nil, AllBenched // whatever else: there is somebody to probe
	}
	for _, p := range f.tiers {
		if e, _ := p.acquire(a, now, lastly); e != nil {
			return e, Acquired
		}
	}
	return nil, why
}

func (f *failover) retry(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.budget.spend(now)
}

// look returns the first tier that is in order, or none. It is not sure while
// nothing is known of one before it, as when the gateway has just started.
func (f *failover) look() (tier int, sure bool) {
	sure = true
	for i, p := range f.tiers {
		up, known := p.inOrder()
		if up {
			return i, sure
		}
		sure = sure && known
	}
	return none, sure
}

// inOrder reports whether the pool has an endpoint that the catalog calls healthy
// and that has not failed lately, and whether anything is known of that.
func (p *Pool) inOrder() (up, known bool) {
	if p.over != nil {
		tier, sure := p.over.look()
		return tier >= 0, tier >= 0 || sure
	}
	v := p.svc
	v.mu.Lock()
	defer v.mu.Unlock()
	return p.eligible > p.benched, v.known != nil
}

// name returns the name of a tier's service for the log.
func (f *failover) name(tier int) string {
	if tier < 0 {
		return "none"
	}
	return f.tiers[tier].Service()
}

// reviewLocked finds out which services serve now, for all pools made of pools.
// The caller holds s.mu.
func (s *Set) reviewLocked() {
	if s.composed.Load() == 0 {
		return
	}
	for _, p := range s.pools {
		switch {
		case p.over != nil:
			s.review(p)
		case p.cut != nil:
			s.reviewSplit(p)
		}
	}
}

// review does so for one pool, and logs a change.
func (s *Set) review(p *Pool) {
	f := p.over
	now, sure := f.look()
	was := f.serving
	if now == was || was == unset && !sure {
		return
	}
	f.serving = now
	if was == unset && now == 0 {
		return
	}
	if was != unset {
		f.switches++
	}
	switch {
	case now == 0:
		s.log.Info("back from failover", "service", p.Service(), "from", f.name(was), "to", f.name(now))
	case now == none:
		s.log.Warn("no service to fail over to", "service", p.Service(), "from", f.name(was))
	default:
		s.log.Warn("failed over", "service", p.Service(), "from", f.name(was), "to", f.name(now))
	}
}

// FailoverStats describes which of its services a pool with fallbacks uses.
type FailoverStats struct {
	// Services are all of them, in order.
	Services []string
	// Serving is the one that requests go to, empty when none is in order.
	Serving string
	// Switches counts the changes of that.
	Switches uint64
}

// Failovers returns the pools with fallbacks that the pool is made of: itself, or those
// of its shares. A nil pool has none.
func (p *Pool) Failovers() []*Pool {
	if p == nil {
		return nil
	}
	var list []*Pool
	p.each(func(part *Pool) {
		if part.over != nil {
			list = append(list, part)
		}
	})
	return list
}

// Failover describes the pool, which may be nil; ok is false when it has no
// fallbacks.
func (s *Set) Failover(p *Pool) (st FailoverStats, ok bool) {
	if p == nil || p.over == nil {
		return st, false
	}
	f := p.over
	s.mu.Lock()
	st.Switches = f.switches
	s.mu.Unlock()
	for _, tier := range f.tiers {
		st.Services = append(st.Services, tier.Service())
	}
	if i, _ := f.look(); i >= 0 {
		st.Serving = st.Services[i]
	}
	return st, true
}
