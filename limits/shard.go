package limits

import (
	"math"
	"sync"
)

// shard holds a part of a limiter's keys, at most limit of them. Entries lie
// side by side so that a sweep or a search for a victim walks memory in order,
// and the map finds them; neither holds a pointer unless S does.
type shard[S any, R rules[S, R]] struct {
	mu      sync.Mutex
	index   map[digest]uint32
	entries []entry[S]
	limit   int
	// cursor is where the next sweep looks.
	cursor int
	// horizon is the latest expiry of the keys that were reclaimed, on the
	// rules' clock. A key that isn't held might be one of them, which matters
	// to a caller whose moment is earlier than that.
	horizon int64
	// heir is where the entries went when a reload handed them over.
	heir *keyed[S, R]

	_ [40]byte // keeps the locks of two shards off one cache line
}

type entry[S any] struct {
	digest digest
	state  S
}

const (
	// sweepWidth is how many entries every insertion looks at for expired ones.
	// More than one, so that the sweep overtakes the growth.
	sweepWidth = 2
	// sampleWidth is among how many entries a full shard looks for a victim.
	sampleWidth = 16
	// noHorizon is before any moment, yet safe to subtract from.
	noHorizon = math.MinInt64 / 2
)

// findLocked returns the state of a key, or that of one never seen.
func (sh *shard[S, R]) findLocked(r R, d digest) (state S, i uint32, held bool) {
	if i, held = sh.index[d]; held {
		return sh.entries[i].state, i, true
	}
	return r.fresh(sh.horizon - r.lag(d)), 0, false
}

// insertLocked adds a key that isn't held; when the shard is full, in place of
// one that spent the least.
func (sh *shard[S, R]) insertLocked(r R, d digest, state S, clock int64) {
	sh.sweepLocked(r, clock)
	if len(sh.entries) >= sh.limit {
		sh.removeLocked(sh.victimLocked(r, clock))
	}
	sh.appendLocked(d, state)
}

// inheritLocked adds a key that isn't held, unless the shard is full of keys
// that have spent no less.
func (sh *shard[S, R]) inheritLocked(r R, d digest, state S, clock int64) {
	if len(sh.entries) >= sh.limit {
		i := sh.victimLocked(r, clock)
		e := &sh.entries[i]
		if r.debt(e.state, clock-r.lag(e.digest)) >= r.debt(state, clock-r.lag(d)) {
			return
		}
		sh.removeLocked(i)
	}
	sh.appendLocked(d, state)
}

func (sh *shard[S, R]) appendLocked(d digest, state S) {
	if sh.index == nil {
		sh.index = make(map[digest]uint32)
	}
	sh.index[d] = narrow(int64(len(sh.entries)))
	sh.entries = append(sh.entries, entry[S]{digest: d, state: state})
}

// sweepLocked reclaims the expired among the next few entries. It steps over the
// one that takes the place of a reclaimed one, because that was added last and
// has most likely not expired.
func (sh *shard[S, R]) sweepLocked(r R, clock int64) {
	for range min(sweepWidth, len(sh.entries)) {
		if sh.cursor >= len(sh.entries) {
			sh.cursor = 0
		}
		if sh.reclaimableLocked(r, &sh.entries[sh.cursor], clock) {
			sh.removeLocked(sh.cursor)
		}
		sh.cursor++
	}
}

// reclaimableLocked reports whether an entry is as if never seen, and if so
// moves the horizon, because the caller is about to remove it.
func (sh *shard[S, R]) reclaimableLocked(r R, e *entry[S], clock int64) bool {
	end := r.expiry(e.state) + r.lag(e.digest)
	if end > clock {
		return false
	}
	sh.horizon = max(sh.horizon, end)
	return true
}

// victimLocked picks the entry with the least debt in a sample: never by age, or
// a flood of fresh keys would push out an exhausted one and give it a fresh
// budget.
func (sh *shard[S, R]) victimLocked(r R, clock int64) int {
	best, least := 0, int64(math.MaxInt64)
	for range min(sampleWidth, len(sh.entries)) {
		if sh.cursor >= len(sh.entries) {
			sh.cursor = 0
		}
		e := &sh.entries[sh.cursor]
		if sh.reclaimableLocked(r, e, clock) {
			return sh.cursor
		}
		if debt := r.debt(e.state, clock-r.lag(e.digest)); debt < least {
			best, least = sh.cursor, debt
		}
		sh.cursor++
	}
	return best
}

// removeLocked moves the last entry into the place of the one removed.
func (sh *shard[S, R]) removeLocked(i int) {
	last := len(sh.entries) - 1
	delete(sh.index, sh.entries[i].digest)
	if i != last {
		sh.entries[i] = sh.entries[last]
		sh.index[sh.entries[i].digest] = narrow(int64(i))
	}
	sh.entries[last] = entry[S]{}
	sh.entries = sh.entries[:last]
}
