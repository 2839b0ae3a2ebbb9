package limits

// bucketTable is a Limiter of meters.
type bucketTable struct{ table[meter] }

func newBucketTable(spec Spec, m meter, o Options) Limiter {
	t := new(bucketTable)
	t.init(t, spec, m, o)
	return t
}

// Take implements Limiter.
func (t *bucketTable) Take(key []byte, cost int64, now Time) Decision {
	d := t.seed.digest(key)
	if cost > 0 {
		at := int64(now.Mono)
		for s := t.segment(d).find(d); s != nil; {
			tat, ok := s.load(d)
			if !ok {
				break
			}
			answer := t.rules.decide(tat, cost, at)
			if !answer.Allowed || s.word.CompareAndSwap(tat, t.rules.charge(tat, cost, at)) {
				return answer
			}
		}
	}
	return t.decide(d, cost, now, true)
}

// Peek implements Limiter.
func (t *bucketTable) Peek(key []byte, cost int64, now Time) Decision {
	d := t.seed.digest(key)
	if s := t.segment(d).find(d); s != nil {
		if tat, ok := s.load(d); ok {
			return t.rules.decide(tat, max(cost, 0), int64(now.Mono))
		}
	}
	return t.decide(d, cost, now, false)
}
