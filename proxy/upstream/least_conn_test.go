package upstream

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// oracle is least_conn by the book: rational numbers, and among equals the one
// whose last turn is longest ago, the first of those that had none.
func oracle(c []Candidate) int {
	best := -1
	var least *big.Rat
	for i := range c {
		if c[i].Weight == 0 {
			continue
		}
		load := big.NewRat(int64(c[i].InFlight)+1, int64(c[i].Weight))
		d := -1
		if least != nil {
			d = load.Cmp(least)
		}
		if d < 0 || d == 0 && c[i].Memo < c[best].Memo {
			best, least = i, load
		}
	}
	return best
}

func TestLeastConnIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 5, scanLimit, scanLimit + 1, 63, 64, 65, 200} {
		p := newLeastConn(0)
		c := make([]Candidate, n)
		for i := range c {
			c[i].Weight = int32(1 + r.IntN(3))
		}
		p.Arrange(c, nil)
		for step := range 1500 {
			switch i := r.IntN(n); r.IntN(4) {
			case 0:
				c[i].Weight = int32(r.IntN(4))
				p.Changed(c, i)
			case 1:
				c[i].Weight = int32(r.IntN(maxWeight + 1))
				p.Changed(c, i)
			case 2:
				if c[i].InFlight > 0 {
					c[i].InFlight--
				}
				p.Changed(c, i)
			default:
				c[i].InFlight = int32(r.IntN(1 << r.IntN(31)))
				p.Changed(c, i)
			}
			want := oracle(c)
			if got := pick(p, c); got != want {
				t.Fatalf("%d candidates, step %d: picked %d (%+v), want %d (%+v)", n, step, got, at(c, got), want, at(c, want))
			}
		}
	}
}

func at(c []Candidate, i int) Candidate {
	if i < 0 {
		return Candidate{}
	}
	return c[i]
}

// Among equals each has its turn, even where others sit between them.
func TestLeastConnTakesTurnsAmongEquals(t *testing.T) {
	for _, n := range []int{4, 100} {
		p := newLeastConn(0)
		c := make([]Candidate, n)
		for i := range c {
			c[i] = Candidate{Weight: 1, InFlight: 9}
		}
		c[0].InFlight, c[2].InFlight, c[3].InFlight = 0, 0, 0
		p.Arrange(c, nil)
		var got []int
		for range 6 {
			i := pick(p, c)
			got = append(got, i)
			c[i].InFlight--
			p.Changed(c, i)
		}
		for i, want := range []int{0, 2, 3, 0, 2, 3} {
			if got[i] != want {
				t.Fatalf("%d candidates: picked %v, want turns of 0 2 3", n, got)
			}
		}
	}
}
