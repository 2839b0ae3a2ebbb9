package upstream

import (
	"slices"

	"github.com/lictor/lictor/catalog"
)

// The gateway's own zone comes first: traffic between zones is slower, and is
// billed. All requests stay in the zone while what is healthy there, by weight,
// is at least 1/overprovision of all that is registered there; below that the
// part that is missing goes to the other zones, in proportion, and with nobody
// healthy in the zone, all of it. When the others are not well either, both
// sides get what they can bear. This is how Envoy treats its priorities: the
// zone is the first, everything else the second.
//
// Healthy is who is eligible and not benched. Who is at its bound is healthy;
// but when a whole side has no room, the other takes what comes.
const (
	overprovision = 14 // tenths
	wholeShare    = 1 << 16
)

// zones is a pool's division into near and far endpoints. The zero value makes
// no difference.
type zones struct {
	// near is how many of the endpoints are in the gateway's zone: they come
	// first. 0 makes no difference: nobody is there, or everybody.
	near int
	// picker is the balancer of the far ones, nil where the gateway has no zone;
	// the pool's own is then that of the near ones.
	picker Picker
	spill  uint32 // the share of the requests that goes far, of wholeShare
	owed   uint32 // what has added up of it, less than wholeShare
}

// isNear reports whether the instance is in the gateway's zone.
func (s *Set) isNear(in *catalog.Instance) bool { return s.zone != "" && in.Zone == s.zone }

// nearFirst puts those in the gateway's zone before the others.
func (s *Set) nearFirst(m []member) []member {
	if s.zone == "" {
		return m
	}
	near := func(m member) int {
		if s.isNear(m.instance) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(m, func(a, b member) int { return near(a) - near(b) })
	return m
}

// dividedLocked reports whether there are endpoints on both sides.
func (p *Pool) dividedLocked() bool { return p.zones.near > 0 }

// arrangeLocked tells the balancers of new candidates.
func (p *Pool) arrangeLocked(ids []uint64) {
	z := &p.zones
	if !p.dividedLocked() {
		p.picker.Arrange(p.cands, ids)
		if z.picker != nil {
			z.picker.Arrange(nil, nil)
		}
		return
	}
	p.picker.Arrange(p.cands[:z.near:z.near], ids[:z.near:z.near])
	z.picker.Arrange(p.cands[z.near:], ids[z.near:])
}

// changedSideLocked tells the balancer that has it of a changed candidate, in a
// divided pool.
func (p *Pool) changedSideLocked(i int) {
	if near := p.zones.near; i < near {
		p.picker.Changed(p.cands[:near], i)
	} else {
		p.zones.picker.Changed(p.cands[near:], i-near)
	}
}

// chooseLocked has a balancer pick, -1 for none.
func (p *Pool) chooseLocked(key uint64) int {
	if !p.dividedLocked() {
		return p.picker.Pick(p.cands, key)
	}
	return p.chooseSideLocked(key)
}

func (p *Pool) chooseSideLocked(key uint64) int {
	if p.farLocked(key) {
		if i := p.pickFarLocked(key); i >= 0 {
			return i
		}
		return p.picker.Pick(p.cands[:p.zones.near], key)
	}
	if i := p.picker.Pick(p.cands[:p.zones.near], key); i >= 0 {
		return i
	}
	return p.pickFarLocked(key)
}

func (p *Pool) pickFarLocked(key uint64) int {
	i := p.zones.picker.Pick(p.cands[p.zones.near:], key)
	if i < 0 {
		return -1
	}
	return i + p.zones.near
}

// farLocked decides which side a request goes to: in turn, evenly spread, or
// always the same for one key, so that only the keys move whose share does.
func (p *Pool) farLocked(key uint64) bool {
	z := &p.zones
	if z.spill == 0 {
		return false
	}
	if key != 0 {
		return mix(key)>>48 < uint64(z.spill)
	}
	z.owed += z.spill
	if z.owed < wholeShare {
		return false
	}
	z.owed -= wholeShare
	return true
}

// weighLocked finds out how much goes far. It runs on changes, not on requests.
func (p *Pool) weighLocked() {
	z := &p.zones
	if !p.dividedLocked() {
		z.spill, z.owed = 0, 0
		return
	}
	var near, far side
	for i, e := range p.eps {
		if i < z.near {
			near.add(e)
		} else {
			far.add(e)
		}
	}
	z.spill = spill(near, far)
}

// side sums up the endpoints of one side, by weight.
type side struct{ healthy, all uint64 }

func (s *side) add(e *Endpoint) {
	w := uint64(e.weight) //nolint:gosec // weights are positive
	s.all += w
	if e.eligible && !e.bench.benched {
		s.healthy += w
	}
}

// bears returns how much of all requests the side can bear, of wholeShare.
func (s side) bears() uint64 {
	if s.all == 0 {
		return 0
	}
	return min(s.healthy*overprovision*wholeShare/(s.all*10), wholeShare)
}

// spill returns the share of the requests that goes to the far side, of
// wholeShare.
func spill(near, far side) uint32 {
	a, b := near.bears(), far.bears()
	b = min(b, wholeShare-a)
	if b == 0 {
		return 0 // all is well near, or nobody is far
	}
	return uint32(b * wholeShare / (a + b)) //nolint:gosec // at most wholeShare
}

// Local returns the share of the pool's requests that stays in the gateway's
// zone; divided is false where zones make no difference. Of a pool with
// fallbacks it is that of the first service. A nil pool has none, nor has one that
// splits.
func (p *Pool) Local() (share float64, divided bool) {
	if p == nil || p.cut != nil {
		return 0, false
	}
	if p.over != nil {
		p = p.over.tiers[0]
	}
	p.svc.mu.Lock()
	defer p.svc.mu.Unlock()
	near, share := p.nearLocked()
	return share, near > 0
}

// nearLocked describes the division: how many are near, and the share of the
// requests that they get; zeros where there is none.
func (p *Pool) nearLocked() (near int, share float64) {
	if !p.dividedLocked() {
		return 0, 0
	}
	return p.zones.near, 1 - float64(p.zones.spill)/wholeShare
}
