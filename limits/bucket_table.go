package limits

// bucketTable is a Limiter of meters.
type bucketTable struct{ table[meter] }

func newBucketTable(spec Spec, m meter, o Options) Limiter {
	t := new(bucketTable)
	t.init(t, spec, m, o)
	return t
}

// Take implements Limiter. The answer is complete before the swap, because no
// later instruction begins before a swap ends. If somebody else is faster, all
// begins again.
func (t *bucketTable) Take(key []byte, cost int64, now Time) (answer Decision) {
	var d digest
	if isMiddling(key) {
		d = t.seed.middling(key)
	} else {
		d = t.seed.digest(key)
	}
	m, at := &t.rules, int64(now.Mono)
	var s *slot
	if rs := t.segment(d).rows.Load(); rs != nil {
		if s = &rs.lines[rs.first(d)][0]; s.digest.Load() != uint64(d) {
			s = rs.find(d)
		}
	}
	if s != nil && 0 < cost && cost <= m.burst {
		if tat := s.load(d); tat != moved {
			ahead, spent := max(tat, at)-at, cost*m.interval
			if ahead > m.full-spent {
				answer.RetryAfter = span(ahead - (m.full - spent))
				m.stand(&answer, ahead)
				return answer
			}
			answer.Allowed = true
			answer.Delay = m.delay(ahead)
			m.stand(&answer, ahead+spent)
			swapped, certain := s.swap(d, tat, at+ahead+spent)
			if certain || swapped && t.charged(s, d, at+ahead+spent, cost, now) {
				return answer
			}
			return t.Take(key, cost, now)
		}
	}
	return t.decide(d, cost, now, true)
}

// Peek implements Limiter.
func (t *bucketTable) Peek(key []byte, cost int64, now Time) Decision {
	d := t.seed.digest(key)
	if s := t.segment(d).find(d); s != nil {
		if tat := s.load(d); tat != moved {
			return t.rules.decide(tat, max(cost, 0), int64(now.Mono))
		}
	}
	return t.decide(d, cost, now, false)
}
