package limits

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"github.com/dchest/siphash"
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
type seed struct {
	long  [2]uint64 // of keys longer than shortKey
	short [6]uint64 // of all others
}

func newSeed() seed {
	var words [8]uint64
	var secret [8 * len(words)]byte
	_, _ = rand.Read(secret[:]) // it never fails
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(secret[8*i:])
	}
	return seedOf(words)
}

func seedOf(words [8]uint64) seed {
	return seed{long: [2]uint64(words[:2]), short: [6]uint64(words[2:])}
}

func (s *seed) words() (words [8]uint64) {
	copy(words[:2], s.long[:])
	copy(words[2:], s.short[:])
	return words
}

// shortKey is the length of the longest key that has a hash of its own. Nearly
// all keys are no longer, and SipHash, which is for the others, would take longer
// for one than a decision does. The runtime's own hash would be faster, but its
// seed can't be handed to a process that takes over.
const shortKey = 32

// digest hashes a key. The products of pairs of words, each hidden by a secret
// one, are NH of UMAC (RFC 4418, 5.2): it is proven that whatever two keys one
// picks, without knowing the secret, their sums are the same with a chance of 1
// in 2^64. What folds a sum to a word is the way that Go's own maps hash where
// the processor has no AES.
func (s *seed) digest(key []byte) digest {
	k := &s.short
	var hi, lo uint64
	switch n := len(key); {
	case n > shortKey:
		return digest(siphash.Hash(s.long[0], s.long[1], key) | 1)
	case n > 16:
		h, l := bits.Mul64(word(key)+k[0], word(key[8:])+k[1])
		hi, lo = bits.Mul64(word(key[n-16:])+k[2], word(key[n-8:])+k[3])
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry)
	case n >= 8:
		return s.middling(key)
	case n >= 4:
		hi, lo = bits.Mul64(uint64(binary.LittleEndian.Uint32(key))+k[0], uint64(binary.LittleEndian.Uint32(key[n-4:]))+k[1])
	case n > 0:
		hi, lo = bits.Mul64((uint64(key[0])|uint64(key[n/2])<<8)+k[0], uint64(key[n-1])+k[1])
	}
	return s.fold(hi, lo, len(key))
}

// middling is digest for a key of 8 to 16 bytes, which is laid open to the
// compiler where a call would matter.
func (s *seed) middling(key []byte) digest {
	hi, lo := bits.Mul64(word(key)+s.short[0], word(key[len(key)-8:])+s.short[1])
	return s.fold(hi, lo, len(key))
}

// isMiddling reports whether middling is for a key.
func isMiddling(key []byte) bool { return 8 <= len(key) && len(key) <= 16 }

// fold makes a digest of a sum, so that keys of different length differ, too.
func (s *seed) fold(hi, lo uint64, n int) digest {
	hi, lo = bits.Mul64(hi^s.short[4], (lo+uint64(n))^s.short[5]) //nolint:gosec // G115: no length is negative
	return digest(hi ^ lo | 1)
}

func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// Digester is a Limiter of another package that shows keys by digests of its own.
type Digester interface {
	// Digest returns the digest by which Top shows a key.
	Digest(key []byte) string
}

// Digest returns the digest by which a limiter's Top shows a key; empty when the
// limiter doesn't tell.
func Digest(l Limiter, key []byte) string {
	switch l := l.(type) {
	case adoptable:
		s := l.secret()
		return s.digest(key).String()
	case Digester:
		return l.Digest(key)
	}
	return ""
}

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
