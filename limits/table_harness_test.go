package limits

import "fmt"

// What the tests ask of any store is asked of a table by these.

func (t *table[R]) bounds() []int {
	var all []int
	for i := range t.segments {
		all = append(all, t.segments[i].limit)
	}
	return all
}

func (t *table[R]) reclaimed() bool {
	for i := range t.segments {
		if t.segments[i].horizon != noHorizon {
			return true
		}
	}
	return false
}

// dump writes out everything that a limiter knows.
func (t *table[R]) dump() string {
	var out string
	for i := range t.segments {
		sg := &t.segments[i]
		rs := sg.rows.Load()
		if rs == nil && sg.horizon == noHorizon {
			continue
		}
		out += fmt.Sprintf("%d: used %d horizon %d", i, sg.used, sg.horizon)
		if rs != nil {
			for j := range rs.lines {
				for k := range rowSlots {
					s := rs.spot(uint64(j), k)
					out += fmt.Sprintf(" %x=%d", s.digest.Load(), s.word.Load())
					for n := range s.counts {
						out += fmt.Sprintf("+%d", s.counts[n].Load())
					}
				}
			}
		}
		out += "\n"
	}
	return out
}

// edges is the key's lag behind the wall clock.
func (t *table[R]) edges(key []byte) int64 { return t.rules.lag(t.seed.digest(key)) }
