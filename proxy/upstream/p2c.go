package upstream

// twoChoices draws two candidates by weight and takes the one with less in
// flight for its weight, the first when they are equal: an idle pool is shared
// out by weight, a busy one evens out. It costs the same however many
// candidates there are.
type twoChoices struct{ lottery }

func newTwoChoices(seed uint64) Picker { return &twoChoices{lottery{dice: dice(seed)}} }

// Pick implements Picker.
func (t *twoChoices) Pick(c []Candidate, _ uint64) int {
	a := t.draw(c)
	if a < 0 {
		return -1
	}
	b := t.draw(c)
	if int64(c[b].InFlight)*int64(c[a].Weight) < int64(c[a].InFlight)*int64(c[b].Weight) {
		return b
	}
	return a
}
