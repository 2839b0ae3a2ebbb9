package limits

func (t *table[R]) made() (Spec, Options) { return t.spec, t.options }

func (t *table[R]) secret() seed { return t.seed }

// reseed makes the digests of both limiters the same. Nobody uses t yet.
func (t *table[R]) reseed(s seed) { t.seed = s }

func (t *table[R]) current() adoptable { return t.latest().outer }

func (t *table[R]) latest() *table[R] {
	for heir := t.heir.Load(); heir != nil; heir = t.heir.Load() {
		t = heir
	}
	return t
}

func (t *table[R]) base() *table[R] { return t }

func (t *table[R]) adopt(old Limiter, now Time) {
	from, ok := old.(interface{ base() *table[R] })
	if !ok || from.base().spec.Algorithm() != t.spec.Algorithm() {
		return
	}
	if from.base() != t {
		from.base().handOver(t, now)
	}
}

// handOver moves every key, a segment at a time. Whoever asks about a key of a
// segment that has moved is sent on to the heir; whoever asks about another is
// still answered here; and whoever has already found a key's slot finds its word
// moved. So at any moment one of the two decides on a key.
func (t *table[R]) handOver(heir *table[R], now Time) {
	t.handing.Lock()
	defer t.handing.Unlock()
	if other := t.heir.Load(); other != nil {
		if other != heir {
			other.handOver(heir, now)
		}
		return
	}
	horizon := int64(noHorizon)
	for i := range t.segments {
		sg := &t.segments[i]
		sg.mu.Lock()
		heir.receive(t.rules, sg, now)
		if sg.horizon > horizon {
			horizon = sg.horizon
			heir.raiseHorizon(horizon)
		}
		sg.heir = heir
		sg.rows.Store(nil)
		sg.used = 0
		sg.mu.Unlock()
	}
	t.heir.Store(heir)
}

// receive takes over the keys of a segment whose lock the caller holds. An heir
// is locked after the one it inherits from, always.
func (t *table[R]) receive(from R, sg *segment[R], now Time) {
	clock := t.rules.clock(now)
	var next counts
	if t.counting != nil {
		next = make(counts, t.counting.stride())
	}
	sg.eachLocked(func(s spot) {
		d, word, ok := sg.takeLocked(from, s.slot, clock)
		if !ok {
			return
		}
		was, at := clock-from.lag(d), clock-t.rules.lag(d)
		if t.counting != nil {
			word = t.counting.succeed(from, word, s.counts, was, at, next)
		} else {
			word = t.rules.inherit(from, word, was, at)
		}
		to := t.segment(d)
		to.mu.Lock()
		to.addCountsLocked(t.rules, d, word, next, clock, false)
		to.mu.Unlock()
	})
}

// raiseHorizon tells every segment up to when keys have been forgotten.
func (t *table[R]) raiseHorizon(horizon int64) {
	for i := range t.segments {
		sg := &t.segments[i]
		sg.mu.Lock()
		sg.horizon = max(sg.horizon, horizon)
		sg.mu.Unlock()
	}
}
