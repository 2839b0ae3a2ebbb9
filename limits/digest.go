package limits

import (
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
)

// digest stands for a key. It has 128 bits of two hashes with independent random
// seeds, so that nobody can find two keys that share a budget, and so that the
// keys themselves, which are people's addresses and names, are not kept.
type digest struct{ hi, lo uint64 }

// seeds are the secret of one limiter's digests, handed on to its successors.
type seeds struct{ hi, lo maphash.Seed }

func newSeeds() seeds { return seeds{hi: maphash.MakeSeed(), lo: maphash.MakeSeed()} }

func (s seeds) digest(key []byte) digest {
	return digest{hi: maphash.Bytes(s.hi, key), lo: maphash.Bytes(s.lo, key)}
}

func (d digest) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], d.hi)
	binary.BigEndian.PutUint64(b[8:], d.lo)
	return hex.EncodeToString(b[:])
}
