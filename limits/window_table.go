package limits

// windowTable is a Limiter of fixed windows.
type windowTable struct{ table[fixedWindow] }

func newWindowTable(spec Spec, r fixedWindow, o Options) Limiter {
	t := new(windowTable)
	t.init(t, spec, r, o)
	return t
}

// Take implements Limiter.
func (t *windowTable) Take(key []byte, cost int64, now Time) Decision {
	d := t.seed.digest(key)
	if cost > 0 {
		at := int64(now.Wall) - t.rules.lag(d)
		for s := t.segment(d).find(d); s != nil; {
			word, ok := s.load(d)
			if !ok {
				break
			}
			answer := t.rules.decide(word, cost, at)
			if !answer.Allowed || s.word.CompareAndSwap(word, t.rules.charge(word, cost, at)) {
				return answer
			}
		}
	}
	return t.decide(d, cost, now, true)
}

// Peek implements Limiter.
func (t *windowTable) Peek(key []byte, cost int64, now Time) Decision {
	d := t.seed.digest(key)
	if s := t.segment(d).find(d); s != nil {
		if word, ok := s.load(d); ok {
			return t.rules.decide(word, max(cost, 0), int64(now.Wall)-t.rules.lag(d))
		}
	}
	return t.decide(d, cost, now, false)
}
