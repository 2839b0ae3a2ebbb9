package limits

// Debtor is a Limiter that can be charged for what can't be undone any more, such
// as bytes that have been read already.
type Debtor interface {
	Limiter
	// Debit charges a key, whether it can afford that or not. What it can't, it
	// owes: nothing of it passes before that has come back, so that in the long
	// run no more passes than may. A fixed window forgets a debt at its edge, as it
	// does all else, and a reload that changes the numbers forgives what is owed
	// beyond the capacity.
	Debit(key []byte, cost int64, now Time)
}

// owing are rules that can tell the state of a key after a debit.
type owing interface {
	owe(s, cost, at int64) int64
}

// Debit implements Debtor, for rules that are owing.
func (t *table[R]) Debit(key []byte, cost int64, now Time) {
	if cost > 0 {
		t.debit(t.seed.digest(key), cost, now)
	}
}

func (t *table[R]) debit(d digest, cost int64, now Time) {
	r, ok := any(t.rules).(owing)
	if !ok {
		return
	}
	sg := t.segment(d)
	sg.mu.Lock()
	if heir := sg.heir; heir != nil {
		sg.mu.Unlock()
		heir.debit(d, cost, now)
		return
	}
	defer sg.mu.Unlock()
	clock := t.rules.clock(now)
	at := clock - t.rules.lag(d)
	if s := sg.find(d); s != nil {
		for {
			word := s.word.Load()
			if s.word.CompareAndSwap(word, r.owe(word, cost, at)) {
				return
			}
		}
	}
	word := t.rules.fresh(sg.horizon - t.rules.lag(d))
	sg.addLocked(t.rules, d, r.owe(word, cost, at), clock, true)
}

// owe bounds a debt to the longest that moments and spans can be added up with.
func (m meter) owe(tat, cost, at int64) int64 {
	spent, ok := mulDivDown(cost, m.interval, 1)
	if !ok {
		spent = int64(Longest)
	}
	return at + min(max(tat, at)-at+min(spent, int64(Longest)), int64(Longest))
}

// owe bounds a count to what there is room for.
func (r fixedWindow) owe(s int64, cost, at int64) int64 {
	index, used, _ := r.view(s, at)
	return r.pack(index, used+min(cost, r.most-used))
}
