package upstream

import "math/bits"

// random picks any open candidate, with a chance proportional to its weight.
type random struct{ lottery }

func newRandom(seed uint64) Picker { return &random{lottery{dice: dice(seed)}} }

// Pick implements Picker.
func (r *random) Pick(c []Candidate, _ uint64) int { return r.draw(c) }

// lottery draws candidates in proportion to their weights.
type lottery struct {
	dice dice
	top  uint64 // at least the greatest weight of the candidates
}

// Arrange implements Picker.
func (l *lottery) Arrange(c []Candidate, _ []uint64) {
	l.top = 0
	for i := range c {
		l.Changed(c, i)
	}
}

// Changed implements Picker.
func (l *lottery) Changed(c []Candidate, i int) {
	l.top = max(l.top, uint64(c[i].Weight)) //nolint:gosec // weights are not negative
}

// draws bounds the attempts to hit an open candidate at random before all are
// counted.
const draws = 8

// draw returns an open candidate, -1 when there is none. It first throws at one
// candidate and keeps it with the chance weight/top, which needs one or two
// throws when weights are alike and few are closed; each throw that hits has
// the right distribution, and so has the count that follows when all miss.
func (l *lottery) draw(c []Candidate) int {
	if len(c) == 0 || l.top == 0 {
		return -1
	}
	for range draws {
		i := l.dice.below(uint64(len(c)))
		if w := uint64(c[i].Weight); w == l.top || w > 0 && l.dice.below(l.top) < w { //nolint:gosec // not negative
			return int(i) //nolint:gosec // below len(c)
		}
	}
	var total uint64
	for i := range c {
		total += uint64(c[i].Weight) //nolint:gosec // not negative
	}
	if total == 0 {
		return -1
	}
	left := l.dice.below(total)
	for i := range c {
		w := uint64(c[i].Weight) //nolint:gosec // not negative
		if left < w {
			return i
		}
		left -= w
	}
	return -1
}

// dice is a SplitMix64 generator: small, fast, even enough to spread load, and
// repeatable from its seed. It serves no secret.
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	return mix(uint64(*d))
}

// mix spreads each bit of z over all bits of the result; no two numbers have
// the same one.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n). Its bias is at most n/2^64.
func (d *dice) below(n uint64) uint64 {
	hi, _ := bits.Mul64(d.next(), n)
	return hi
}
