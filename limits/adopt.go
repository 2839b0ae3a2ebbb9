package limits

// Adoption is a limiter that is ready to take over from another one, and has
// not done so yet. It is how a reload changes a limit's numbers without giving
// every client a fresh budget:
//
//  1. Prepare for each limit: the Limiter may be built into the new tables, but
//     must not be asked anything yet. Nothing has happened to the old one, so
//     a reload that is refused now just drops what it built.
//  2. Once nothing can fail any more, Commit each. From then on a request that
//     still holds the old limiter is decided by the new one, on one budget.
//  3. Swap the tables.
type Adoption struct {
	// Limiter is the one to use from now on. It is the old one itself if
	// nothing about it has changed.
	Limiter Limiter

	old Limiter
}

// Prepare makes a limiter of the given Spec that will take over from old, which
// may be nil.
//
// With the same Spec and options that is old itself. With the same algorithm
// (and, for sliding_window, the same precision) but other numbers, the units
// that every key has used carry over, clamped to the new capacity: what remains
// to a key grows by no more than the capacity did. Otherwise every key starts
// fresh.
func Prepare(old Limiter, spec Spec, o Options) Adoption {
	was, ok := old.(adoptable)
	if !ok {
		return Adoption{Limiter: spec.New(o)}
	}
	was = was.current()
	if s, with := was.made(); s == spec && with == o.withDefaults() {
		return Adoption{Limiter: was}
	}
	next := spec.New(o)
	if heir, ok := next.(adoptable); ok {
		heir.reseed(was.secret())
	}
	return Adoption{Limiter: next, old: was}
}

// Commit hands over, as of now, everything that the old limiter knows. It can't
// fail and no decision made meanwhile is lost; call it once.
func (a Adoption) Commit(now Time) {
	if heir, ok := a.Limiter.(adoptable); ok && a.old != nil {
		heir.adopt(a.old, now)
	}
}

// Adopt is Prepare and Commit in one, for a caller who has nothing left that
// could fail.
func Adopt(old Limiter, spec Spec, o Options, now Time) Limiter {
	a := Prepare(old, spec, o)
	a.Commit(now)
	return a.Limiter
}

// adoptable is a Limiter of this package, whatever its state.
type adoptable interface {
	Limiter
	// current is the limiter that decides in this one's stead.
	current() adoptable
	made() (Spec, Options)
	secret() seed
	reseed(s seed)
	adopt(old Limiter, now Time)
}

func (k *keyed[S, R]) made() (Spec, Options) { return k.spec, k.options }

func (k *keyed[S, R]) secret() seed { return k.seed }

// reseed makes the digests of both limiters the same. Nobody uses k yet.
func (k *keyed[S, R]) reseed(s seed) { k.seed = s }

func (k *keyed[S, R]) current() adoptable { return k.latest() }

func (k *keyed[S, R]) latest() *keyed[S, R] {
	for heir := k.heir.Load(); heir != nil; heir = k.heir.Load() {
		k = heir
	}
	return k
}

func (k *keyed[S, R]) adopt(old Limiter, now Time) {
	from, ok := old.(*keyed[S, R])
	if !ok || from.spec.Algorithm() != k.spec.Algorithm() {
		return
	}
	if from != k {
		from.handOver(k, now)
	}
}

// handOver moves every entry, a shard at a time. Whoever asks about a key of a
// shard that has moved is sent on to the heir; whoever asks about another is
// still answered here. So at any moment one of the two decides on a key.
func (k *keyed[S, R]) handOver(heir *keyed[S, R], now Time) {
	k.handing.Lock()
	defer k.handing.Unlock()
	if other := k.heir.Load(); other != nil {
		if other != heir {
			other.handOver(heir, now)
		}
		return
	}
	horizon := int64(noHorizon)
	for i := range k.shards {
		sh := &k.shards[i]
		sh.mu.Lock()
		heir.receive(k.rules, sh, now)
		if sh.horizon > horizon {
			horizon = sh.horizon
			heir.raiseHorizon(horizon)
		}
		sh.heir = heir
		sh.index, sh.entries = nil, nil
		sh.mu.Unlock()
	}
	k.heir.Store(heir)
}

// receive takes over the entries of a shard whose lock the caller holds. An heir
// is locked after the one it inherits from, always.
func (k *keyed[S, R]) receive(from R, sh *shard[S, R], now Time) {
	clock := k.rules.clock(now)
	for i := range sh.entries {
		e := &sh.entries[i]
		if sh.reclaimableLocked(from, e, clock) {
			continue
		}
		state := k.rules.inherit(from, e.state, clock-from.lag(e.digest), clock-k.rules.lag(e.digest))
		to := k.shard(e.digest)
		to.mu.Lock()
		to.inheritLocked(k.rules, e.digest, state, clock)
		to.mu.Unlock()
	}
}

// raiseHorizon tells every shard up to when keys have been forgotten.
func (k *keyed[S, R]) raiseHorizon(horizon int64) {
	for i := range k.shards {
		sh := &k.shards[i]
		sh.mu.Lock()
		sh.horizon = max(sh.horizon, horizon)
		sh.mu.Unlock()
	}
}
