package limits

import "math/bits"

// ceilDiv divides two positive numbers and rounds up.
func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 {
		q++
	}
	return q
}

// mulDivUp is a*b/c rounded up, for a and b at least 0 and c positive, exact in
// 128 bits. It reports false if the result has more than 63.
func mulDivUp(a, b, c int64) (int64, bool) {
	q, rest, ok := mulDiv(a, b, c)
	if rest != 0 {
		q++
	}
	return q, ok && q >= 0
}

// mulDivDown is as mulDivUp, rounded down.
func mulDivDown(a, b, c int64) (int64, bool) {
	q, _, ok := mulDiv(a, b, c)
	return q, ok
}

func mulDiv(a, b, c int64) (q, rest int64, ok bool) {
	hi, lo := bits.Mul64(unsigned(a), unsigned(b))
	if hi >= unsigned(c) {
		return 0, 0, false
	}
	uq, ur := bits.Div64(hi, lo, unsigned(c))
	return signed(uq), signed(ur), uq < 1<<63
}

// unsigned converts a number that is not negative.
func unsigned(n int64) uint64 {
	return uint64(n) //nolint:gosec // G115: no caller has a negative number
}

// signed converts a number that has at most 63 bits, or that the caller discards
// otherwise.
func signed(n uint64) int64 {
	return int64(n) //nolint:gosec // G115: see above
}

// narrow converts a number that is known to have at most 32 bits, because a Spec
// or Options bound it.
func narrow(n int64) uint32 {
	return uint32(n) //nolint:gosec // G115: see above
}
