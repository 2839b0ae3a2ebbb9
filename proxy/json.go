package proxy

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// appendJSONString appends s as a JSON string (RFC 8259 section 7). Control
// bytes are escaped, so that a log line stays one line; bytes that are not
// UTF-8 become U+FFFD.
func appendJSONString[T ~string | ~[]byte](b []byte, s T) []byte {
	b = append(b, '"')
	start := 0
	for {
		i := plainUntil(s, start)
		b = append(b, s[start:i]...)
		if i == len(s) {
			return append(b, '"')
		}
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			r, n := decodeRune(s[i:])
			switch {
			case r == utf8.RuneError && n <= 1:
				b = append(b, `\ufffd`...)
				n = 1
			case r < 0xa0 || r == 0x2028 || r == 0x2029: // C1 controls, and what JavaScript takes for line ends
				b = append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			default:
				b = append(b, s[i:i+n]...)
			}
			i += n
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			i++
		}
		start = i
	}
}

// decodeRune reads the first rune of either kind of text without a copy.
func decodeRune[T ~string | ~[]byte](s T) (rune, int) {
	var four [4]byte
	n := copy(four[:], s)
	return utf8.DecodeRune(four[:n])
}
