package limits

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestDivisor compares with the language's own division, at random and about
// every power of two and multiple.
func TestDivisor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	check := func(n, by int64) {
		if n < 0 || by <= 0 {
			return
		}
		if got := divisorOf(by).divide(n); got != n/by {
			t.Fatalf("%d/%d: got %d, want %d", n, by, got, n/by)
		}
	}
	for i := range 63 {
		for j := range 63 {
			for di := int64(-2); di <= 2; di++ {
				for dj := int64(-2); dj <= 2; dj++ {
					n, by := int64(1)<<i+di, int64(1)<<j+dj
					check(n, by)
					if by > 0 {
						check(n/by*by, by)
						check(n/by*by-1, by)
						check(math.MaxInt64/by*by, by)
						check(math.MaxInt64/by*by-1, by)
					}
				}
			}
		}
	}
	check(math.MaxInt64, 1)
	check(math.MaxInt64, math.MaxInt64)
	for range 200_000 {
		check(r.Int64()>>r.IntN(63), r.Int64()>>r.IntN(63))
	}
}
