package proxy

// plainBytes marks the bytes that stand for themselves between quotes: printable ASCII
// but the quote itself and the backslash.
var plainBytes = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// Eight bytes at once.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainUntil returns where in s the first byte is, from there on, that is not
// plain; len(s) when all are. Most of what is logged is plain from end to end.
func plainUntil[T ~string | ~[]byte](s T, from int) int {
	i := from
	for ; len(s)-i >= 8; i += 8 {
		p := s[i : i+8]
		w := uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
			uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56
		// A high bit that is set tells, in this order, of a byte from 0x80 on,
		// 0x7f, less than 0x20, a quote, a backslash. It may tell so of a byte
		// above such a one, too, but never of plain bytes alone.
		if (w|(w+ones)|(w-0x20*ones)|((w^'"'*ones)-ones)|((w^'\\'*ones)-ones))&highs != 0 {
			break
		}
	}
	for i < len(s) && plainBytes[s[i]] {
		i++
	}
	return i
}
