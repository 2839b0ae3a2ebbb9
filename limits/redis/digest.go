package redis

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"github.com/lictor/lictor/limits"
)

// digest stands for a key, in the store and here: 128 bits of SHA-256 over the
// salt, what the limit's keys are made of, and the key. Nobody can choose keys
// that meet.
type digest [16]byte

// domain is what a limit's digests begin with: limits whose keys or states are
// of another kind never meet.
func domain(salt []byte, name, kind, keyClass string) []byte {
	b := limits.AppendPart(nil, 0, salt)
	b = limits.AppendPartString(b, 0, name)
	b = limits.AppendPartString(b, 0, kind)
	return limits.AppendPartString(b, 0, keyClass)
}

func digestOf(domain, key []byte) (d digest) {
	var space [512]byte
	sum := sha256.Sum256(append(append(space[:0], domain...), key...))
	copy(d[:], sum[:])
	return d
}

// below is a number from 0 up to, but not including, n: the same on every
// gateway.
func (d digest) below(n int64) int64 {
	hi, _ := bits.Mul64(binary.BigEndian.Uint64(d[:8]), uint64(n)) //nolint:gosec // G115: a window is positive
	return int64(hi)                                               //nolint:gosec // G115: less than n
}

func (d digest) String() string { return hex.EncodeToString(d[:]) }

// short is how people are shown the key.
func (d digest) short() string { return d.String()[:16] }

// name is the key's name in the store.
func (d digest) name(prefix, limit string) string {
	b := make([]byte, 0, len(prefix)+len(limit)+36)
	b = append(b, '{')
	b = append(b, prefix...)
	b = append(b, ':')
	b = append(b, limit...)
	b = append(b, ':')
	b = hex.AppendEncode(b, d[:])
	return string(append(b, '}'))
}
