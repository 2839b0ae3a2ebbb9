package proxy

import (
	"bytes"
	"strings"
)

// Alike is a field name together with all spellings that an instance may take for
// it: in any case, and with "_" for "-", as CGI makes of names (RFC 3875 section
// 4.1.18). The zero value is like no name.
type Alike struct{ folded string }

// NewAlike returns all spellings of a name.
func NewAlike(name string) Alike {
	return Alike{strings.ReplaceAll(strings.ToLower(name), "-", "_")}
}

// Is reports whether the name is one of the spellings.
func (a Alike) Is(name []byte) bool {
	if len(name) != len(a.folded) || len(name) == 0 {
		return false
	}
	for i, c := range name {
		if c == '-' {
			c = '_'
		}
		if lowerASCII(c) != a.folded[i] {
			return false
		}
	}
	return true
}

// DelAlike drops every line whose name is one of the spellings, so that what a
// client sends is not taken for what the gateway says.
func (f *Fields) DelAlike(a Alike) {
	for i := range f.lines {
		if f.lines[i].flags&fieldDropped == 0 && a.Is(f.Name(i)) {
			f.Drop(i)
		}
	}
}

// IsFieldName reports whether s is a token (RFC 9110 section 5.6.2) of a bounded
// length, as names of fields are.
func IsFieldName(s string) bool {
	const longest = 128
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= longest
}

// IsReserved reports whether a field, in any spelling, is one that the gateway
// itself looks at or writes, so that no policy may use it for something else.
func IsReserved(name string) bool {
	return Classify(bytes.ReplaceAll([]byte(name), []byte{'_'}, []byte{'-'})) != Other
}
