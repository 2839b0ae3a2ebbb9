package limits

import (
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"math/bits"
)

// digest stands for a key, so that the keys themselves, which are people's
// addresses and names, are not kept. It is a hash under a random seed that never
// leaves the process, so nobody can choose keys that meet.
//
// It is always odd, which leaves even numbers to mark slots of a table. Of its
// 63 other bits every one is compared: among a million keys held at once, the
// chance that any two share a digest, and so a budget, is about 5 in 100
// million. Two that do get one budget between them, never a larger one.
type digest uint64

// seed is the secret of one limiter's digests, handed on to its successors.
type seed struct{ maphash maphash.Seed }

func newSeed() seed { return seed{maphash: maphash.MakeSeed()} }

func (s seed) digest(key []byte) digest { return digest(maphash.Bytes(s.maphash, key) | 1) }

const partBits = 12

// part is the number of one of n parts, a power of two up to 2^partBits. It takes
// the first bits.
func (d digest) part(n int) uint64 { return uint64(d>>(64-partBits)) & uint64(n-1) } //nolint:gosec // G115: n is positive

// below is a number from 0 up to, but not including, n: the same for the same
// digest. It leans on other bits than the choice of a segment does.
func (d digest) below(n uint64) uint64 {
	hi, _ := bits.Mul64(bits.RotateLeft64(uint64(d), 32), n)
	return hi
}

func (d digest) String() string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(d)))
}
