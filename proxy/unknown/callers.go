package unknown

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// callers tells how many different ones there are, and who asks most, in a fixed
// space.
type callers struct {
	// seen has a bit for each of 256 values of the digest. From how many are
	// still zero follows how many there were: linear counting (Whang, Vander-Zanden
	// and Taylor, 1990).
	seen [4]uint64
	most [3]Caller // Space-Saving again
}

func (c *callers) note(digest uint64) {
	bit := digest >> 56
	c.seen[bit>>6] |= 1 << (bit & 63)
	least := 0
	for i := range c.most {
		if c.most[i].Digest == digest && c.most[i].Requests > 0 {
			c.most[i].Requests++
			return
		}
		if c.most[i].Requests < c.most[least].Requests {
			least = i
		}
	}
	c.most[least].Digest = digest
	c.most[least].Requests++
}

// estimate is exact for one, within a few for dozens, and stops at about 1,400.
func (c *callers) estimate() int {
	const n = 256
	zero := n
	for _, w := range c.seen {
		zero -= bits.OnesCount64(w)
	}
	return int(math.Round(n * math.Log(n/float64(max(1, zero)))))
}

func (c *callers) top() []Caller {
	list := slices.DeleteFunc(slices.Clone(c.most[:]), func(c Caller) bool { return c.Requests == 0 })
	slices.SortStableFunc(list, func(a, b Caller) int { return cmp.Compare(b.Requests, a.Requests) })
	return list
}
