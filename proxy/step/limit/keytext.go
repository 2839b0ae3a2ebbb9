package limit

import (
	"encoding/binary"
	"strings"
)

// longestName is longer than any name.
const longestName = 1 << 20

// KeyText writes a key whose parts are names, such as those of services, for people
// to read: the names with "+" between them, and "all" for the key of no parts. What
// is no key is "?".
func KeyText(key []byte) string {
	if len(key) == 0 {
		return "all"
	}
	var parts []string
	for len(key) > 0 {
		n, width := binary.Uvarint(key[1:]) // after the kind
		if width <= 0 || n > longestName || int(n) > len(key)-1-width {
			return "?"
		}
		end := 1 + width + int(n)
		parts = append(parts, string(key[1+width:end]))
		key = key[end:]
	}
	return strings.Join(parts, "+")
}
