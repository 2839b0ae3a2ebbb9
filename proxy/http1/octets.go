package http1

import (
	"encoding/binary"
	"math/bits"
)

// Classes of octets, as bits of octets.
const (
	tchar    = 1 << iota // of a token (RFC 9110 section 5.6.2)
	textual              // of a field value: VCHAR, obs-text, SP and HTAB (section 5.5)
	hostchar             // of a host's name; see validHost
	digit                // DIGIT (RFC 5234)
	blank                // SP and HTAB
	quotable             // qdtext (RFC 9110 section 5.6.4)
)

// octets says of every octet which classes it belongs to.
var octets = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		if c >= 0x20 && c != 0x7f || c == '\t' {
			t[i] |= textual
			if c != '"' && c != '\\' {
				t[i] |= quotable
			}
		}
		switch {
		case '0' <= c && c <= '9':
			t[i] |= tchar | hostchar | digit
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			t[i] |= tchar | hostchar
		case c == ' ', c == '\t':
			t[i] |= blank
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= tchar
	}
	for _, c := range "-._~" {
		t[c] |= hostchar
	}
	return t
}()

// hexDigits maps an octet to its value as a hexadecimal digit, 0xff for none.
var hexDigits = func() (t [256]uint8) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range "0123456789abcdef" {
		t[c] = uint8(i)
	}
	for i, c := range "ABCDEF" {
		t[c] = uint8(10 + i)
	}
	return t
}()

func isToken(s []byte) bool {
	for _, c := range s {
		if octets[c]&tchar == 0 {
			return false
		}
	}
	return len(s) > 0
}

// Eight octets at a time: each constant is one octet, eight times.
const (
	each01 = 0x0101010101010101
	each20 = 0x20 * each01
	each21 = 0x21 * each01
	each80 = 0x80 * each01
)

// textEnd returns the index of the first octet of b at or after i that no field
// value may hold, len(b) when there is none.
//
// It marks octets below 0x20 and DEL by their highest bit. Borrows and carries
// run upwards, so no octet goes unmarked, and the lowest mark is wrong only for
// HTAB and behind 0xff. The table has the last word on it.
func textEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if marks := ((x - each20) | (x + each01)) &^ x & each80; marks != 0 {
			i += bits.TrailingZeros64(marks) >> 3
			if octets[b[i]]&textual == 0 {
				return i
			}
			i -= 7 // go on behind it
		}
	}
	for i < len(b) && octets[b[i]]&textual != 0 {
		i++
	}
	return i
}

// visibleEnd returns the index of the first octet of b at or after i that is
// not visible ASCII, len(b) when there is none. Here the lowest mark is exact.
func visibleEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if marks := ((x - each21) | (x + each01) | x) & each80; marks != 0 {
			return i + bits.TrailingZeros64(marks)>>3
		}
	}
	for i < len(b) && b[i] > ' ' && b[i] < 0x7f {
		i++
	}
	return i
}

func isVisible(s []byte) bool { return visibleEnd(s, 0) == len(s) }

// equalFold compares ASCII text with a lower-case word, ignoring case.
func equalFold(s []byte, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i, c := range s {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// cutElement takes the first element off a comma-separated list (RFC 9110
// section 5.6.1), without the white space around it.
func cutElement(list []byte) (element, rest []byte) {
	i := 0
	for i < len(list) && list[i] != ',' {
		i++
	}
	element, rest = list[:i], list[min(i+1, len(list)):]
	for len(element) > 0 && octets[element[0]]&blank != 0 {
		element = element[1:]
	}
	for len(element) > 0 && octets[element[len(element)-1]]&blank != 0 {
		element = element[:len(element)-1]
	}
	return element, rest
}
