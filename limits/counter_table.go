package limits

// counterTable is a Limiter of sliding windows by PrecisionCounter.
type counterTable struct{ table[slidingCounter] }

func newCounterTable(spec Spec, r slidingCounter, o Options) Limiter {
	t := new(counterTable)
	t.init(t, spec, r, o)
	return t
}

// Take implements Limiter, in the same way as a bucketTable does. The first
// charge in a window may have to write beside the word, and takes the lock.
func (t *counterTable) Take(key []byte, cost int64, now Time) (answer Decision) {
	d := t.seed.digest(key)
	if s, ok := t.segment(d).rows.Load().findSpot(d); ok && cost > 0 {
		r, at := &t.rules, int64(now.Mono)
		if word := s.load(d); word != moved {
			v := r.view(r.state(word, s.counts), at)
			turns := r.turns(word, at)
			r.fill(&answer, &v, cost)
			if !answer.Allowed {
				if !r.beside || s.load(d) == word {
					return answer
				}
				return t.Take(key, cost, now)
			}
			if turns {
				return t.decide(d, cost, now, true)
			}
			next := word + cost
			if !r.beside {
				next = r.word(counterState{index: v.index, prev: v.prev, cur: v.cur})
			}
			swapped, certain := s.swap(d, word, next)
			if certain || swapped && t.charged(s.slot, d, next, cost, now) {
				return answer
			}
			return t.Take(key, cost, now)
		}
	}
	return t.decide(d, cost, now, true)
}

// Peek implements Limiter.
func (t *counterTable) Peek(key []byte, cost int64, now Time) Decision {
	d := t.seed.digest(key)
	if s, ok := t.segment(d).rows.Load().findSpot(d); ok {
		word := s.load(d)
		answer := t.rules.answer(word, s.counts, max(cost, 0), int64(now.Mono))
		if word != moved && s.load(d) == word {
			return answer
		}
	}
	return t.decide(d, cost, now, false)
}
