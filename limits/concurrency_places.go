package limits

import (
	"sync"
	"sync/atomic"
)

// placesShards is into how many parts the keys are divided by their digests, a
// power of two, so that requests of different keys seldom wait for each other.
const placesShards = 64

// shrinkAbove is from how many keys on a shard that has become empty gives its
// memory back.
const shrinkAbove = 128

// places counts what is in flight, for each key that has anything in flight. A key
// with nothing in flight takes no memory, and when there are as many keys as may
// be, one more is denied rather than another forgotten: what that one's requests
// give back would be given to nobody, and then to whoever it was let in for.
type places struct {
	seed     seed
	most     atomic.Int64 // of each key
	mostKeys atomic.Int64

	keys   atomic.Int64
	shards [placesShards]placesShard
}

type placesShard struct {
	mu   sync.Mutex
	held map[digest]int64
	peak int // the most keys that the map has held

	_ [40]byte // keeps the locks of two shards off one cache line
}

func newPlaces(most, mostKeys int64) *places {
	p := &places{seed: newSeed()}
	p.most.Store(most)
	p.mostKeys.Store(mostKeys)
	return p
}

func (p *places) shard(d digest) *placesShard { return &p.shards[d.part(placesShards)] }

// take answers, and charges what it allows if asked to. It returns how much of
// the key is in flight afterwards.
func (p *places) take(d digest, cost int64, charge bool) (answer Decision, held int64) {
	most := p.most.Load()
	sh := p.shard(d)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	held, known := sh.held[d]
	answer = placesLeft(held, cost, most, most)
	if !answer.Allowed || cost == 0 {
		return answer, held
	}
	if !known && !p.roomFor(charge) {
		answer = Decision{RetryAfter: RetryUnknown, NextAfter: RetryUnknown, Remaining: most}
		return answer, held
	}
	if charge {
		sh.setLocked(d, held+cost)
	}
	return answer, held + cost
}

// placesLeft answers with so much in flight, where most may be at present and
// capacity ever.
func placesLeft(held, cost, most, capacity int64) (answer Decision) {
	switch {
	case cost > capacity:
		answer.RetryAfter = Never
	case held > most-cost:
		answer.RetryAfter = RetryUnknown
	default:
		answer.Allowed = true
		held += cost
	}
	answer.Remaining = max(0, most-held)
	if answer.Remaining == 0 {
		answer.NextAfter = RetryUnknown
	}
	return answer
}

// roomFor reports whether a further key may be held, and counts it if it is to be.
func (p *places) roomFor(charge bool) bool {
	if !charge {
		return p.keys.Load() < p.mostKeys.Load()
	}
	if p.keys.Add(1) > p.mostKeys.Load() {
		p.keys.Add(-1)
		return false
	}
	return true
}

func (sh *placesShard) setLocked(d digest, held int64) {
	if sh.held == nil {
		sh.held = make(map[digest]int64)
	}
	sh.held[d] = held
	sh.peak = max(sh.peak, len(sh.held))
}

// give takes back what a key has in flight.
func (p *places) give(d digest, cost int64) {
	sh := p.shard(d)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	held, known := sh.held[d]
	switch {
	case !known:
	case held > cost:
		sh.held[d] = held - cost
	default:
		p.keys.Add(-1)
		if len(sh.held) == 1 && sh.peak > shrinkAbove {
			sh.held, sh.peak = nil, 0
			return
		}
		delete(sh.held, d)
	}
}

// each calls f for every key with anything in flight.
func (p *places) each(f func(d digest, held int64)) {
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		for d, held := range sh.held {
			f(d, held)
		}
		sh.mu.Unlock()
	}
}
