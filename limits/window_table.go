package limits

// windowTable is a Limiter of fixed windows.
type windowTable struct{ table[fixedWindow] }

func newWindowTable(spec Spec, r fixedWindow, o Options) Limiter {
	t := new(windowTable)
	t.init(t, spec, r, o)
	return t
}

// Take implements Limiter, in the same way as a bucketTable does.
func (t *windowTable) Take(key []byte, cost int64, now Time) (answer Decision) {
	var d digest
	if isMiddling(key) {
		d = t.seed.middling(key)
	} else {
		d = t.seed.digest(key)
	}
	var s *slot
	if rs := t.segment(d).rows.Load(); rs != nil {
		if s = &rs.lines[rs.first(d)][0]; s.digest.Load() != uint64(d) {
			s = rs.find(d)
		}
	}
	if s != nil && cost > 0 {
		if word := s.load(d); word != moved {
			r, at := &t.rules, int64(now.Wall)-t.rules.lag(d)
			index, used, end := r.view(word, at)
			r.answer(&answer, used, cost, end-at)
			if !answer.Allowed {
				return answer
			}
			next := r.pack(index, used+cost)
			swapped, certain := s.swap(d, word, next)
			if certain || swapped && t.charged(s, d, next, cost, now) {
				return answer
			}
			return t.Take(key, cost, now)
		}
	}
	return t.decide(d, cost, now, true)
}

// Peek implements Limiter.
func (t *windowTable) Peek(key []byte, cost int64, now Time) Decision {
	d := t.seed.digest(key)
	if s := t.segment(d).find(d); s != nil {
		if word := s.load(d); word != moved {
			return t.rules.decide(word, max(cost, 0), int64(now.Wall)-t.rules.lag(d))
		}
	}
	return t.decide(d, cost, now, false)
}
