package upstream

import (
	"sync"

	"github.com/lictor/lictor/catalog"
)

// service is the live twin of a catalog.Service: its endpoints and its pools.
// There is one for each name that a pool was ever asked for.
type service struct {
	set  *Set
	name string

	// mu guards what follows, and all that is marked as guarded by it in the
	// endpoints and pools of the service. It is taken after set.mu, and held
	// for a pick or a count, never across anything that blocks.
	mu        sync.Mutex
	pools     []*Pool          // written under set.mu too, so that either lock allows reading
	known     *catalog.Service // likewise; nil until a source has answered
	source    string           // likewise; which one
	endpoints map[identity]*Endpoint
	stamp     uint64
	past      tally            // of endpoints that have retired
	retries   [outcomes]uint64 // further attempts, by the outcome that led to them
	turn      uint64           // numbers what happens on the bench
	dice      dice
}

// missingLocked tells why there may be no endpoint at all, Acquired otherwise.
func (v *service) missingLocked() Reason {
	switch {
	case v.known == nil:
		return Unknown
	case !v.known.Registered():
		return NotRegistered
	}
	return Acquired
}

// seating is what the catalog says about a pool: who sits in it.
type seating struct {
	pool    *Pool
	members []member
}

type member struct {
	id       identity
	instance *catalog.Instance
}

// membersOf returns the instances of the service that match the pool's spec.
func membersOf(p *Pool, known *catalog.Service) []member {
	if known == nil {
		return nil
	}
	m := make([]member, 0, len(known.Instances))
	for i := range known.Instances {
		inst := &known.Instances[i]
		if !inst.HasTags(p.spec.Tags) {
			continue
		}
		target, ok := inst.Target(p.spec.Port)
		if !ok {
			continue
		}
		m = append(m, member{identity{inst.Key, target}, inst})
	}
	return m
}

// reseat gives the pools their seats by what is known, and lets go the
// endpoints that have none left. The caller holds set.mu.
func (v *service) reseat(known *catalog.Service, source string, pools []*Pool) {
	plan, mixed := make([]seating, len(pools)), false
	for i, p := range pools {
		by := known
		if p.ahead != nil {
			by, mixed = p.ahead, true
		}
		members := membersOf(p, by)
		if len(members) == 0 && p.past != nil {
			members = stragglers(p, by)
		}
		plan[i] = seating{p, v.set.nearFirst(members)}
	}
	v.mu.Lock()
	v.known, v.source, v.pools = known, source, pools
	for _, s := range plan {
		v.seatLocked(s)
	}
	if mixed { // who was seated early may have turned out healthier, or less so
		for _, e := range v.endpoints {
			e.surveyLocked()
		}
	}
	retired := v.sweepLocked()
	v.mu.Unlock()
	for _, e := range retired {
		e.slots.close()
	}
}

// confirm takes over a state that differs in nothing but what people read.
func (v *service) confirm(known *catalog.Service) {
	v.mu.Lock()
	v.known = known
	v.mu.Unlock()
}

// seatLocked replaces the endpoints of one pool.
func (v *service) seatLocked(s seating) {
	p := s.pool
	v.stamp++
	eps := make([]*Endpoint, 0, len(s.members))
	cands := make([]Candidate, 0, len(s.members))
	ids := make([]uint64, 0, len(s.members))
	near := 0
	for _, m := range s.members {
		e := v.endpointLocked(m.id)
		if e.stamp == v.stamp { // a key that is there twice
			continue
		}
		e.stamp = v.stamp
		e.updateLocked(m.instance)
		if v.set.isNear(m.instance) {
			near++
		}
		var c Candidate
		if i := e.seatLocked(p); i >= 0 {
			c.Memo = p.cands[i].Memo
		}
		eps, cands, ids = append(eps, e), append(cands, c), append(ids, e.hash)
	}
	for _, e := range p.eps {
		e.unseatLocked(p)
	}
	p.eps, p.cands, p.seated = eps, cands, true
	if near == len(eps) {
		near = 0 // nobody is elsewhere
	}
	p.zones.near = near
	for i, e := range eps {
		e.seats = append(e.seats, seat{p, i})
		cands[i].InFlight, cands[i].Weight = e.inFlight, p.weightLocked(e)
	}
	p.arrangeLocked(ids)
	p.surveyLocked()
}

// dropLocked takes all seats of a pool away.
func (v *service) dropLocked(p *Pool) {
	for _, e := range p.eps {
		e.unseatLocked(p)
	}
	p.eps, p.cands, p.seated, p.zones.near = nil, nil, false, 0
	p.arrangeLocked(nil)
	p.surveyLocked()
}

// endpointLocked returns the endpoint of that identity, a new one if need be.
func (v *service) endpointLocked(id identity) *Endpoint {
	e := v.endpoints[id]
	if e == nil {
		e = &Endpoint{svc: v, id: id, hash: id.hash64()}
		v.endpoints[id] = e
	}
	return e
}

// sweepLocked retires what has neither a seat nor anything in flight.
func (v *service) sweepLocked() []*Endpoint {
	var retired []*Endpoint
	for _, e := range v.endpoints {
		if e.retireLocked() {
			retired = append(retired, e)
		}
	}
	return retired
}

// tally is what endpoints have counted.
type tally struct {
	requests uint64
	failures [outcomes]uint64
}

func (t *tally) add(e *Endpoint) {
	t.requests += e.requests
	for i, n := range e.failures {
		t.failures[i] += n
	}
}
