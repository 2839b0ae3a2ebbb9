package redis

import (
	"sync"
	"time"

	"github.com/lictor/lictor/limits"
)

// longestDenial bounds how long a denial is given without asking: another
// gateway may have given something back, or the store have been emptied.
const longestDenial = 5 * time.Second

// Bounds of what is known of keys.
const (
	knownShards  = 16
	keysPerShard = 4096
)

// known is what is known of keys without asking the store: that they are denied,
// and what was leased of them. A key that does not fit any more is forgotten,
// which costs a call and, with a lease, the units that were left of it.
type known struct {
	decide limits.Arithmetic
	shards [knownShards]knownShard
}

type knownShard struct {
	mu   sync.Mutex
	keys map[digest]knownKey
	// leasing are the keys of which a lease is being taken, each with what is
	// closed afterwards.
	leasing map[digest]chan struct{}
}

// knownKey is either a denial or a lease.
type knownKey struct {
	epoch uint64        // of the store
	asked time.Duration // when, by the monotonic clock; aged from there
	until time.Duration // it is of use before

	// Of a denial: what was denied, and the state that denied it.
	cost  int64
	state []int64
	at    int64

	// Of a lease: the units left, and how the key stood when they were taken.
	left  int64
	stood limits.Decision
}

func (k *known) shard(d digest) *knownShard { return &k.shards[d[0]%knownShards] }

// denied returns the denial of a cost that is known to be denied.
func (k *known) denied(d digest, cost int64, now time.Duration, epoch uint64) (limits.Decision, bool) {
	sh := k.shard(d)
	sh.mu.Lock()
	e, ok := sh.keys[d]
	sh.mu.Unlock()
	if !ok || e.state == nil || e.epoch != epoch || now >= e.until || cost < e.cost {
		return limits.Decision{}, false
	}
	// Who came before it was asked is told what holds since.
	answer := k.decide(e.state, cost, e.at+int64(max(0, now-e.asked)))
	return answer, !answer.Allowed
}

// begin is called before a lease is taken of a key. It returns nil to who may,
// and has to call end then; and something to wait for while another one is being
// taken, lest a crowd that finds nothing left take one each.
func (k *known) begin(d digest) <-chan struct{} {
	sh := k.shard(d)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if taken, leasing := sh.leasing[d]; leasing {
		return taken
	}
	if sh.leasing == nil {
		sh.leasing = make(map[digest]chan struct{})
	}
	sh.leasing[d] = make(chan struct{})
	return nil
}

func (k *known) end(d digest) {
	sh := k.shard(d)
	sh.mu.Lock()
	close(sh.leasing[d])
	delete(sh.leasing, d)
	sh.mu.Unlock()
}

// lease takes a cost out of what was leased.
func (k *known) lease(d digest, cost int64, now time.Duration, epoch uint64) (limits.Decision, bool) {
	sh := k.shard(d)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, ok := sh.keys[d]
	if !ok || e.state != nil || e.epoch != epoch || now >= e.until || cost > e.left {
		return limits.Decision{}, false
	}
	e.left -= cost
	sh.keys[d] = e
	answer := e.stood
	answer.Remaining += e.left
	aged := max(0, now-e.asked)
	answer.NextAfter = max(0, answer.NextAfter-aged)
	answer.ResetAfter = max(0, answer.ResetAfter-aged)
	return answer, true
}

// giveBack returns a cost to a lease, if it is still of use.
func (k *known) giveBack(d digest, cost int64, now time.Duration, epoch uint64) bool {
	sh := k.shard(d)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, ok := sh.keys[d]
	if !ok || e.state != nil || e.epoch != epoch || now >= e.until {
		return false
	}
	e.left += cost
	sh.keys[d] = e
	return true
}

// learn keeps what is known of a key now. A denial never takes the place of a
// newer one, nor of a lease that still has units, and a lease adds to what is
// left of the one before.
func (k *known) learn(d digest, e knownKey) {
	sh := k.shard(d)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	was, ok := sh.keys[d]
	switch {
	case !ok:
	case was.state == nil && was.epoch == e.epoch && was.left > 0 && e.asked < was.until:
		if e.state != nil {
			return
		}
		e.left += was.left
		e.until = max(e.until, was.until)
	case was.state != nil && e.state != nil && was.asked > e.asked:
		return
	}
	if !ok && len(sh.keys) >= keysPerShard {
		for other := range sh.keys { // any of them
			delete(sh.keys, other)
			break
		}
	}
	if sh.keys == nil {
		sh.keys = make(map[digest]knownKey)
	}
	sh.keys[d] = e
}

// forget drops what is known of a key.
func (k *known) forget(d digest) {
	sh := k.shard(d)
	sh.mu.Lock()
	delete(sh.keys, d)
	sh.mu.Unlock()
}

// each calls f for every key.
func (k *known) each(f func(d digest, e knownKey)) {
	for i := range k.shards {
		sh := &k.shards[i]
		sh.mu.Lock()
		for d, e := range sh.keys {
			f(d, e)
		}
		sh.mu.Unlock()
	}
}
