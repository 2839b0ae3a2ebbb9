package limit

import (
	"encoding/binary"
	"strings"
)

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
		if width <= 0 || n > uint64(len(key)-1-width) {
			return "?"
		}
		parts = append(parts, string(key[1+width:1+width+int(n)])) //nolint:gosec // no more than is there
		key = key[1+width+int(n):]                                 //nolint:gosec // no more than is there
	}
	return strings.Join(parts, "+")
}
