package limits

import (
	"sync"
	"sync/atomic"
)

// rules are the arithmetic of an algorithm on S, all that is known of one key.
// They neither store nor lock: a state goes in, a state comes out. Moments are
// nanoseconds on the key's own time line, which is the rules' clock less the
// key's lag.
type rules[S, R any] interface {
	// clock picks the clock that the algorithm lives by.
	clock(now Time) int64
	// lag is how far the key's time line is behind the clock.
	lag(d digest) int64
	// fresh is the state of a key that isn't held. All that is known of it is
	// that whatever it spent has come back by the moment given, so a caller
	// whose own moment is earlier is not given more than that.
	fresh(at int64) S
	// expiry is the moment from which on a key is as if never seen.
	expiry(s S) int64
	// debt ranks keys by how much they have spent.
	debt(s S, at int64) int64

	// decide answers, and changes nothing that s refers to. The cost is at
	// least 0.
	decide(s S, cost, at int64) Decision
	// charge is the state after a request that decide allowed. It may change
	// what s refers to.
	charge(s S, cost, at int64) S
	// refund undoes a charge as far as it can be undone without giving more.
	refund(s S, cost, at int64) S
	// inherit turns a state of other rules of the same kind, at the moment was
	// on its time line, into one of these at the moment at. What remains grows
	// by no more than the capacity did.
	inherit(from R, s S, was, at int64) S
}

// keyed is a Limiter for rules whose state is of no fixed size: a bounded, sharded
// store.
type keyed[S any, R rules[S, R]] struct {
	spec    Spec
	options Options
	rules   R
	seed    seed
	shards  []shard[S, R]

	handing sync.Mutex // held while the entries move to the heir
	heir    atomic.Pointer[keyed[S, R]]
}

// newKeyed makes one with a bound on keys of its own, which may be less than that
// of the options, because states are large.
func newKeyed[S any, R rules[S, R]](spec Spec, r R, o Options, maxKeys int) Limiter {
	limits := divide(maxKeys)
	k := &keyed[S, R]{
		spec:    spec,
		options: o.withDefaults(),
		rules:   r,
		seed:    newSeed(),
		shards:  make([]shard[S, R], len(limits)),
	}
	for i := range k.shards {
		k.shards[i].horizon = noHorizon
		k.shards[i].limit = limits[i]
	}
	return k
}

func (k *keyed[S, R]) shard(d digest) *shard[S, R] { return &k.shards[d.part(len(k.shards))] }

func (k *keyed[S, R]) Take(key []byte, cost int64, now Time) Decision {
	return k.decide(k.seed.digest(key), cost, now, true)
}

func (k *keyed[S, R]) Peek(key []byte, cost int64, now Time) Decision {
	return k.decide(k.seed.digest(key), cost, now, false)
}

func (k *keyed[S, R]) decide(d digest, cost int64, now Time, charge bool) Decision {
	cost = max(cost, 0)
	sh := k.shard(d)
	sh.mu.Lock()
	if heir := sh.heir; heir != nil {
		sh.mu.Unlock()
		return heir.decide(d, cost, now, charge)
	}
	state, i, held := sh.findLocked(k.rules, d)
	clock := k.rules.clock(now)
	at := clock - k.rules.lag(d)
	answer := k.rules.decide(state, cost, at)
	if charge && answer.Allowed && cost > 0 {
		state = k.rules.charge(state, cost, at)
		if held {
			sh.entries[i].state = state
		} else {
			sh.insertLocked(k.rules, d, state, clock)
		}
	}
	sh.mu.Unlock()
	return answer
}

func (k *keyed[S, R]) Refund(key []byte, cost int64, now Time) {
	if cost > 0 {
		k.refund(k.seed.digest(key), cost, now)
	}
}

func (k *keyed[S, R]) refund(d digest, cost int64, now Time) {
	sh := k.shard(d)
	sh.mu.Lock()
	if heir := sh.heir; heir != nil {
		sh.mu.Unlock()
		heir.refund(d, cost, now)
		return
	}
	if i, held := sh.index[d]; held {
		e := &sh.entries[i]
		e.state = k.rules.refund(e.state, cost, k.rules.clock(now)-k.rules.lag(d))
	}
	sh.mu.Unlock()
}

func (k *keyed[S, R]) Policy() Policy { return k.latest().spec.Policy() }

func (k *keyed[S, R]) Keys() int {
	k = k.latest()
	n := 0
	for i := range k.shards {
		sh := &k.shards[i]
		sh.mu.Lock()
		n += len(sh.entries)
		sh.mu.Unlock()
	}
	return n
}

func (k *keyed[S, R]) Top(n int, now Time) []KeyUsage {
	k = k.latest()
	clock := k.rules.clock(now)
	top := ranking{most: n}
	for i := range k.shards {
		sh := &k.shards[i]
		sh.mu.Lock()
		for j := range sh.entries {
			e := &sh.entries[j]
			at := clock - k.rules.lag(e.digest)
			if k.rules.expiry(e.state) <= at {
				continue
			}
			top.add(e.digest, k.rules.decide(e.state, 0, at))
		}
		sh.mu.Unlock()
	}
	return top.list()
}
