package limits

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"testing"
)

// kindsOfKeys are families of keys that differ in little, each with the n-th of
// its keys: what a gateway makes of addresses and names, and what somebody might
// who looks for keys that meet.
func kindsOfKeys() map[string]func(n int) []byte {
	address := func(n int) []byte { return binary.BigEndian.AppendUint32(nil, 10<<24|uint32(n)) }
	long := bytes.Repeat([]byte("x"), 30)
	return map[string]func(n int) []byte{
		"IPv4":     func(n int) []byte { return AppendPart(nil, 1, address(n)) },
		"networks": func(n int) []byte { return AppendPart(nil, 1, binary.BigEndian.AppendUint32(nil, uint32(n)<<8)) },
		"IPv6": func(n int) []byte {
			return AppendPart(nil, 1, append([]byte{0x20, 1, 0xd, 0xb8, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, make([]byte, 8)...))
		},
		"numbers":      number,
		"high numbers": func(n int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) },
		"strides":      func(n int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)<<40) },
		"decimals":     func(n int) []byte { return fmt.Append(nil, n) },
		"users": func(n int) []byte {
			return AppendPartString(AppendPartString(nil, 3, "idp"), 3, fmt.Sprint("user-", n))
		},
		"both halves": func(n int) []byte { return append(number(n), number(^n)...) },
		"long":        func(n int) []byte { return append(slices.Clone(long), number(n)...) },
		"two parts":   func(n int) []byte { return AppendPart(AppendPart(nil, 1, address(n&0xff)), 2, address(n>>8)) },
	}
}

// TestDigestsSpread counts on the bits that choose segments and rows.
func TestDigestsSpread(t *testing.T) {
	const keys, parts = 64_000, 64
	for name, key := range kindsOfKeys() {
		s := newSeed()
		var part, first, second [parts]int
		var both [4][4]int
		seen := map[digest]int{}
		for i := range keys {
			d := s.digest(key(i))
			if d&1 == 0 {
				t.Fatalf("%s: digest %x is even", name, uint64(d))
			}
			if other, ok := seen[d]; ok {
				t.Fatalf("%s: keys %d and %d share a digest", name, i, other)
			}
			seen[d] = i
			part[d.part(parts)]++
			first[d.scale(32-partBits, parts)]++
			second[d.scale(0, parts)]++
			both[d.scale(32-partBits, 4)][d.scale(0, 4)]++
		}
		for i := range parts {
			for _, n := range []int{part[i], first[i], second[i]} {
				if n < keys/parts*3/4 || n > keys/parts*5/4 {
					t.Errorf("%s: of %d keys %d are in place %d of %d", name, keys, n, i, parts)
				}
			}
		}
		for a := range both {
			for b, n := range both[a] {
				if n < keys/16*3/4 || n > keys/16*5/4 {
					t.Errorf("%s: of %d keys %d are in rows %d and %d of 4", name, keys, n, a, b)
				}
			}
		}
	}
}

// TestDigestReadsEveryBit turns each bit of keys of every length. On average half
// of the digest's bits turn with it.
func TestDigestReadsEveryBit(t *testing.T) {
	turned, asked := 0, 0
	for length := range 2*shortKey + 1 {
		s := newSeed()
		key := make([]byte, length)
		for i := range key {
			key[i] = byte(i * 37)
		}
		d := s.digest(key)
		if again := s.digest(slices.Clone(key)); again != d {
			t.Fatalf("length %d: %s, and then %s", length, d, again)
		}
		if isMiddling(key) && s.middling(key) != d {
			t.Errorf("length %d: %s, and by itself %s", length, d, s.middling(key))
		}
		if longer := s.digest(append(slices.Clone(key), 0)); longer == d {
			t.Errorf("length %d: a zero more makes no difference", length)
		}
		other := newSeed()
		if other.digest(key) == d {
			t.Errorf("length %d: the secret makes no difference", length)
		}
		for bit := range 8 * length {
			key[bit/8] ^= 1 << (bit % 8)
			n := bits.OnesCount64(uint64(s.digest(key) ^ d))
			if n == 0 {
				t.Errorf("length %d: bit %d makes no difference", length, bit)
			}
			turned += n
			asked += 63
			key[bit/8] ^= 1 << (bit % 8)
		}
	}
	if share := float64(turned) / float64(asked); share < 0.48 || share > 0.52 {
		t.Errorf("%.3f of the digest turn with a bit of the key", share)
	}
}

// TestAnyKindOfKeyFillsATable to nine tenths of its bound, before any has to give
// way.
func TestAnyKindOfKeyFillsATable(t *testing.T) {
	const most = 20_000
	for name, key := range kindsOfKeys() {
		l := tabled(2)[0].New(Options{MaxKeys: most})
		for i := range most * 9 / 10 {
			l.Take(key(i), 1, at(0))
		}
		if n := l.Keys(); n < most*9/10-most/500 {
			t.Errorf("%s: %d keys are held, of %d", name, n, most*9/10)
		}
	}
}
