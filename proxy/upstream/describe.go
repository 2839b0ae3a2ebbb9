package upstream

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lictor/lictor/catalog"
)

// State is what an endpoint is at present.
type State uint8

// The states.
const (
	// Open: requests go there.
	Open State = iota
	// Full: at the pool's bound. Only the description of a pool tells it.
	Full
	// Benched: failed lately, gets probes only.
	Benched
	// Ineligible: the catalog says that no request may go there.
	Ineligible
	// Unmatched: no pool asks for its tags or its ports.
	Unmatched
	// Draining: no pool seats it any more, and something is still in flight.
	Draining
)

// String returns the state in one word, fit for a metric's label.
func (s State) String() string {
	switch s {
	case Open:
		return "open"
	case Full:
		return "full"
	case Benched:
		return "benched"
	case Ineligible:
		return "ineligible"
	case Unmatched:
		return "unmatched"
	case Draining:
		return "draining"
	}
	return "unknown"
}

// Causes counts by outcome.
type Causes struct {
	Refused, Broke, TimedOut uint64
	// Other is for retries that no report explains.
	Other uint64
}

// Total returns the sum.
func (c Causes) Total() uint64 { return c.Refused + c.Broke + c.TimedOut + c.Other }

func causes(n [outcomes]uint64) Causes {
	return Causes{
		Refused: n[Refused], Broke: n[Broke], TimedOut: n[TimedOut],
		Other: n[0] + n[Success] + n[Canceled],
	}
}

// EndpointStats describes one endpoint, or an instance that has none.
type EndpointStats struct {
	// Instance is the newest catalog entry. It must not be changed.
	Instance *catalog.Instance
	// Target is what is dialled, empty when there is no endpoint.
	Target string
	State  State
	// Why says in words why requests do not go there, empty when they do.
	Why      string
	InFlight int
	// Requests counts exchanges that held the endpoint, since it came to be.
	Requests uint64
	Failures Causes
	// Streak is the number of failures since the last success.
	Streak int
	// BenchedUntil is when a benched endpoint is tried again at the latest,
	// given a request; zero when it is not benched.
	BenchedUntil time.Time
	// Probing says that a benched endpoint is being tried at this moment.
	Probing bool
	// Pools is the number of pools that seat it.
	Pools int
}

// PoolStats describes one pool.
type PoolStats struct {
	Spec PoolSpec
	// Endpoints sit in the pool; Eligible of them are so by the catalog, and
	// Benched of those failed lately.
	Endpoints, Eligible, Benched int
	// Near is how many of them are in the gateway's zone, and NearShare the share
	// of the requests that stays there. Both are 0 where zones make no difference:
	// the gateway has none, or nobody, or everybody is in it.
	Near      int
	NearShare float64
}

// ServiceStats describes one service that a pool names, and its totals, which
// survive all changes of the catalog.
type ServiceStats struct {
	Name string
	// Datacenter is where the instances are; empty for the gateway's own.
	Datacenter string
	// Source is where the instances come from, empty while nothing is known.
	Source string
	// Known says that a source has answered, Registered that there are
	// instances, Stale that they are from an earlier run and unconfirmed.
	Known, Registered, Stale bool
	InFlight                 int
	Requests                 uint64
	Failures                 Causes
	// Retries counts further attempts by what befell the one before.
	Retries   Causes
	Endpoints []EndpointStats // by key, then target
	Pools     []PoolStats
}

// Describe describes every service that a pool names or that still has
// something in flight, sorted by name.
func (s *Set) Describe(now time.Time) []ServiceStats {
	s.mu.Lock()
	services := make([]*service, 0, len(s.services))
	for _, v := range s.services {
		services = append(services, v)
	}
	s.mu.Unlock()
	slices.SortFunc(services, func(a, b *service) int { return strings.Compare(a.name, b.name) })
	stats := make([]ServiceStats, 0, len(services))
	for _, v := range services {
		if st, ok := v.describe(now); ok {
			stats = append(stats, st)
		}
	}
	return stats
}

// DescribeService describes one service; ok is false when Describe would leave
// it out.
func (s *Set) DescribeService(name string, now time.Time) (st ServiceStats, ok bool) {
	s.mu.Lock()
	v := s.services[name]
	s.mu.Unlock()
	if v == nil {
		return ServiceStats{}, false
	}
	return v.describe(now)
}

func (v *service) describe(now time.Time) (ServiceStats, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.pools) == 0 && len(v.endpoints) == 0 {
		return ServiceStats{}, false
	}
	st := ServiceStats{
		Name: v.name, Source: v.source,
		Known: v.known != nil, Registered: v.known.Registered(), Stale: v.known != nil && v.known.Stale,
		Retries: causes(v.retries),
	}
	if v.known != nil {
		st.Datacenter = v.known.Datacenter
	}
	sum := v.past
	for _, e := range v.endpoints {
		sum.add(e)
		st.InFlight += int(e.inFlight)
		st.Endpoints = append(st.Endpoints, e.describeLocked(now))
	}
	st.Requests, st.Failures = sum.requests, causes(sum.failures)
	st.Endpoints = append(st.Endpoints, v.unmatchedLocked()...)
	slices.SortFunc(st.Endpoints, func(a, b EndpointStats) int {
		if c := strings.Compare(a.Instance.Key, b.Instance.Key); c != 0 {
			return c
		}
		return strings.Compare(a.Target, b.Target)
	})
	for _, p := range v.pools {
		near, share := p.nearLocked()
		st.Pools = append(st.Pools, PoolStats{p.spec, len(p.eps), p.eligible, p.benched, near, share})
	}
	return st, true
}

// unmatchedLocked describes the instances that no pool seats.
func (v *service) unmatchedLocked() []EndpointStats {
	if v.known == nil {
		return nil
	}
	seated := make(map[string]bool, len(v.endpoints))
	for id, e := range v.endpoints {
		if len(e.seats) > 0 {
			seated[id.key] = true
		}
	}
	var stats []EndpointStats
	for i := range v.known.Instances {
		in := &v.known.Instances[i]
		if seated[in.Key] {
			continue
		}
		st := EndpointStats{Instance: in, State: Unmatched, Why: "no route asks for its tags or ports"}
		if !in.Eligible() {
			st.State, st.Why = Ineligible, in.Ineligible
		}
		stats = append(stats, st)
	}
	return stats
}

func (e *Endpoint) describeLocked(now time.Time) EndpointStats {
	in := e.instance.Load()
	st := EndpointStats{
		Instance: in, Target: e.id.target,
		InFlight: int(e.inFlight), Requests: e.requests, Failures: causes(e.failures),
		Streak: int(e.streak.Load()), Pools: len(e.seats),
	}
	b := &e.bench
	if b.benched {
		st.BenchedUntil, st.Probing = b.until, b.probe != 0
	}
	switch {
	case len(e.seats) == 0:
		st.State, st.Why = Draining, "no longer in the catalog, or no route uses it"
	case !e.eligible:
		st.State, st.Why = Ineligible, in.Ineligible
	case b.benched && b.probe != 0:
		st.State, st.Why = Benched, fmt.Sprintf("failed (%v), being tried again", b.cause)
	case b.benched:
		wait := max(b.until.Sub(now), 0).Round(time.Millisecond)
		st.State, st.Why = Benched, fmt.Sprintf("failed (%v), next try in %v", b.cause, wait)
	}
	return st
}

// Describe tells of every instance of the pool's service whether this pool
// sends requests there, and why not.
func (p *Pool) Describe(now time.Time) []EndpointStats {
	if p.svc == nil {
		var stats []EndpointStats
		for _, tier := range p.Tiers() {
			stats = append(stats, tier.Describe(now)...)
		}
		return stats
	}
	v := p.svc
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		return nil
	}
	stats := make([]EndpointStats, 0, len(v.known.Instances))
	for i := range v.known.Instances {
		in := &v.known.Instances[i]
		target, hasPort := in.Target(p.spec.Port)
		if why := p.mismatch(in, hasPort); why != "" {
			stats = append(stats, EndpointStats{Instance: in, State: Unmatched, Why: why})
			continue
		}
		e := v.endpoints[identity{in.Key, target}]
		if e == nil || e.seatLocked(p) < 0 { // a pool that Retain has dropped
			stats = append(stats, EndpointStats{Instance: in, Target: target, State: Unmatched, Why: "the pool is not in use"})
			continue
		}
		st := e.describeLocked(now)
		if st.State == Open && p.fullLocked(e) {
			st.State, st.Why = Full, fmt.Sprintf("%d in flight, at most %d allowed", st.InFlight, p.spec.MaxConnections)
		}
		stats = append(stats, st)
	}
	return stats
}

// mismatch says why the instance is not for this pool, in words.
func (p *Pool) mismatch(in *catalog.Instance, hasPort bool) string {
	for _, t := range p.spec.Tags {
		if !slices.Contains(in.Tags, t) {
			return fmt.Sprintf("lacks the tag %q", t)
		}
	}
	switch {
	case hasPort:
		return ""
	case p.spec.Port == "":
		return "has no port"
	}
	return fmt.Sprintf("has no port named %q", p.spec.Port)
}
