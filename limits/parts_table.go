package limits

// partsTable is a Limiter of sliding windows by PrecisionBuckets.
type partsTable struct{ table[slidingBuckets] }

func newPartsTable(spec Spec, r slidingBuckets, o Options) Limiter {
	t := new(partsTable)
	t.init(t, spec, r, o)
	return t
}

// Take implements Limiter, in the same way as a bucketTable does. The first
// charge in a part has to write beside the word, and takes the lock.
func (t *partsTable) Take(key []byte, cost int64, now Time) (answer Decision) {
	d := t.seed.digest(key)
	if s, ok := t.segment(d).rows.Load().findSpot(d); ok && cost > 0 {
		r, at := &t.rules, int64(now.Mono)
		if word := s.load(d); word != moved {
			v := r.view(word, s.counts, at)
			r.fill(&answer, &v, s.counts, cost, at)
			if !answer.Allowed {
				if s.load(d) == word {
					return answer
				}
				return t.Take(key, cost, now)
			}
			if v.index != v.last {
				return t.decide(d, cost, now, true)
			}
			swapped, certain := s.swap(d, word, word+cost)
			if certain || swapped && t.charged(s.slot, d, word+cost, cost, now) {
				return answer
			}
			return t.Take(key, cost, now)
		}
	}
	return t.decide(d, cost, now, true)
}

// Peek implements Limiter.
func (t *partsTable) Peek(key []byte, cost int64, now Time) Decision {
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
