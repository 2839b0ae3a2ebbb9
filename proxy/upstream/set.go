package upstream

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

// Options are what a Set needs to know.
type Options struct {
	// Sources orders the catalog's sources: where two know a service of the
	// same name, the earlier one has it. A source that is not listed comes
	// last.
	Sources []string
	// Zone is the gateway's own zone, whose instances come first; see zones.
	// Empty makes no difference between zones.
	Zone string
	// Seed feeds all that is random: jitter and the random balancers.
	Seed uint64
	// Logger is told when an endpoint is benched and when it is back, and when a
	// fallback takes over or a share falls to others. Nil logs nothing.
	Logger hclog.Logger
}

// Set owns every endpoint and every pool. All its methods may be called at any
// time from any goroutine.
type Set struct {
	log  hclog.Logger
	zone string

	mu        sync.Mutex // taken before any service's
	order     []string
	snapshots map[string]*catalog.Snapshot
	ahead     *catalog.Snapshot // of one source; see Ahead
	services  map[string]*service
	pools     map[poolKey]*Pool
	dice      dice

	composed atomic.Int32 // how many of the pools are made of pools
}

// NewSet returns a set that knows nothing yet.
func NewSet(o Options) *Set {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return &Set{
		log:       o.Logger,
		zone:      o.Zone,
		order:     slices.Clone(o.Sources),
		snapshots: map[string]*catalog.Snapshot{},
		services:  map[string]*service{},
		pools:     map[poolKey]*Pool{},
		dice:      dice(o.Seed),
	}
}

// Apply takes over what a source, named in the snapshot, knows now, and returns
// what that changed. Only services that a pool names are looked at.
//
// A service that no source's snapshot holds any more stays as it was last
// known: absence is no news. A source that knows a service to have no
// instances says so with an empty one.
func (s *Set) Apply(snap *catalog.Snapshot) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.order, snap.Source) {
		s.order = append(s.order, snap.Source)
	}
	s.snapshots[snap.Source] = snap
	var changes []Change
	for _, v := range s.services {
		if len(v.pools) == 0 {
			continue
		}
		known, source := s.resolve(v.name)
		if known == nil {
			continue
		}
		old := v.known // written only under s.mu
		if old != nil && old.Equal(known) && v.source == source {
			v.confirm(known)
			continue
		}
		v.level()
		v.reseat(known, source, v.pools)
		if c := changeOf(old, known, source); c.any() {
			changes = append(changes, c)
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Service, b.Service) })
	s.reviewLocked()
	return changes
}

// Pool returns the pool for the spec, the same one for as long as it is
// retained, and makes it if need be, filled from what is known. The error names
// what is wrong with the spec.
func (s *Set) Pool(spec PoolSpec) (*Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poolLocked(spec)
}

// poolLocked is Pool. The caller holds s.mu.
func (s *Set) poolLocked(spec PoolSpec) (*Pool, error) {
	spec, key, err := spec.canonical()
	if err != nil {
		return nil, err
	}
	if p := s.pools[key]; p != nil {
		s.use(p)
		return p, nil
	}
	p := &Pool{spec: spec, key: key}
	switch {
	case len(spec.Split) > 0:
		if p.cut, err = s.newSplit(&spec); err != nil {
			return nil, err
		}
		s.reviewSplit(p)
	case len(spec.Fallbacks) > 0:
		p.over = &failover{serving: unset}
		for _, name := range append([]string{spec.Service}, spec.Fallbacks...) {
			one := spec
			one.Service, one.Fallbacks = name, nil
			tier, err := s.poolLocked(one)
			if err != nil {
				return nil, err
			}
			p.over.tiers = append(p.over.tiers, tier)
		}
		s.review(p)
	default:
		return s.make(spec, key), nil
	}
	s.pools[key] = p
	s.composed.Add(1)
	return p, nil
}

// make makes a pool of one service. The caller holds s.mu.
func (s *Set) make(spec PoolSpec, key poolKey) *Pool {
	v := s.services[spec.Service]
	if v == nil {
		v = &service{set: s, name: spec.Service, endpoints: map[identity]*Endpoint{}, dice: dice(s.dice.next())}
		s.services[spec.Service] = v
	}
	b, _ := BalancerNamed(spec.Balance)
	p := &Pool{spec: spec, key: key, svc: v, picker: b.New(s.dice.next())}
	if s.zone != "" {
		p.zones.picker = b.New(s.dice.next())
	}
	s.pools[key] = p
	s.seat(p)
	return p
}

// seat gives a pool that has none its seats. The caller holds s.mu.
func (s *Set) seat(p *Pool) {
	v := p.svc
	known, source := v.known, v.source
	if k, src := s.resolve(v.name); k != nil || len(v.pools) == 0 {
		// Nobody followed a service without pools: only what a source holds
		// now can be trusted.
		known, source = k, src
	}
	p.ahead = s.aheadOf(known, source, v.name)
	v.reseat(known, source, append(v.pools, p))
}

// Retain drops every pool that is not given; it must not overlap with the making
// of a table, whose pools it would not know. What is in flight through a dropped
// pool goes on. A request that still asks one, having begun before the policies
// changed, makes it live again until the next Retain.
func (s *Set) Retain(pools []*Pool) {
	keep := make(map[*Pool]bool, len(pools))
	for _, p := range pools {
		p.each(func(part *Pool) { keep[part] = true })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, p := range s.pools {
		if p.svc == nil && !keep[p] {
			delete(s.pools, key)
			s.composed.Add(-1)
		}
	}
	for _, v := range s.services {
		s.retain(v, keep)
	}
}

// each calls f for the pool and for those that it is made of.
func (p *Pool) each(f func(*Pool)) {
	f(p)
	switch {
	case p.over != nil:
		for _, tier := range p.over.tiers {
			tier.each(f)
		}
	case p.cut != nil:
		for i := range p.cut.shares {
			p.cut.shares[i].pool.each(f)
		}
	}
}

func (s *Set) retain(v *service, keep map[*Pool]bool) {
	var kept, dropped []*Pool
	for _, p := range v.pools {
		if keep[p] {
			kept = append(kept, p)
			continue
		}
		dropped = append(dropped, p)
		p.drop()
		if s.pools[p.key] == p {
			delete(s.pools, p.key)
		}
	}
	if len(dropped) == 0 {
		return
	}
	v.mu.Lock()
	v.pools = kept
	for _, p := range dropped {
		v.dropLocked(p)
	}
	retired := v.sweepLocked()
	v.mu.Unlock()
	for _, e := range retired {
		e.slots.close()
	}
}

// adopt makes a dropped pool live again.
func (s *Set) adopt(p *Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(p.svc.pools, p) {
		return
	}
	if s.pools[p.key] == nil {
		s.pools[p.key] = p
	}
	v := p.svc
	known, source := v.known, v.source
	if k, src := s.resolve(v.name); k != nil {
		known, source = k, src
	}
	v.reseat(known, source, append(v.pools, p))
}

// tell logs what a report changed.
func (s *Set) tell(e *Endpoint, ev event, o Outcome) {
	switch ev {
	case sentToBench:
		s.log.Warn("endpoint benched", "service", e.Service(), "instance", e.Key(), "endpoint", e.Target(), "cause", o.String())
	case backFromBench:
		s.log.Info("endpoint back from the bench", "service", e.Service(), "instance", e.Key(), "endpoint", e.Target())
	case nothing:
		return
	}
	if s.composed.Load() > 0 {
		s.mu.Lock()
		s.reviewLocked()
		s.mu.Unlock()
	}
}
