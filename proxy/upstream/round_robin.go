package upstream

// roundRobin is smooth weighted round robin, as nginx has it: at each pick every
// open candidate gains its weight, and the richest one pays for all. Weights
// 5, 1, 1 give a a b a c a a. Memo holds the credit.
type roundRobin struct{}

func newRoundRobin(uint64) Picker { return roundRobin{} }

// Arrange implements Picker.
func (roundRobin) Arrange([]Candidate, []uint64) {}

// Changed implements Picker.
func (roundRobin) Changed([]Candidate, int) {}

// Pick implements Picker.
func (roundRobin) Pick(c []Candidate, _ uint64) int {
	best, total := -1, int64(0)
	for i := range c {
		w := int64(c[i].Weight)
		if w == 0 {
			continue
		}
		total += w
		c[i].Memo += w
		if best < 0 || c[i].Memo > c[best].Memo {
			best = i
		}
	}
	if best >= 0 {
		c[best].Memo -= total
	}
	return best
}
