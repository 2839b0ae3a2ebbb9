package limits

import "math/bits"

// divisor divides by a number that is known beforehand, with two multiplications
// in place of a division, which takes several times as long.
type divisor struct {
	by      uint64
	inverse uint64 // (2^64-1)/by, rounded down
}

// divisorOf prepares a division by n, which must be positive.
func divisorOf(n int64) divisor {
	return divisor{by: unsigned(n), inverse: (1<<64 - 1) / unsigned(n)}
}

// divide is n/by rounded down, for n at least 0. The product with the inverse is
// at most one too small.
func (d divisor) divide(n int64) int64 {
	q, _ := bits.Mul64(unsigned(n), d.inverse)
	if unsigned(n)-q*d.by >= d.by {
		q++
	}
	return signed(q)
}
