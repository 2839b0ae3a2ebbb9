package connect

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"
)

// header is a condition on one field of a request. Several lines of a field are
// one value, joined by commas.
type header struct {
	name   string
	is     func(value []byte) match // nil asks for the field's presence alone
	invert bool
}

// The names by which conditions may ask for what is no field.
const (
	asAuthority = ":authority"
	asHost      = "host" // is the authority, however it was sent
	asMethod    = ":method"
)

// newHeader takes in a condition as it is configured. Its error says why it can't
// be judged.
func newHeader(c *api.IntentionHTTPHeaderPermission) (*header, error) {
	h := &header{name: strings.ToLower(c.Name), invert: c.Invert}
	if h.name == "" {
		return nil, fmt.Errorf("a condition on a header names none")
	}
	if h.name[0] == ':' && h.name != asAuthority && h.name != asMethod {
		return nil, fmt.Errorf("the pseudo-header %q is not judged here", c.Name)
	}
	said := 0
	literal := func(text string, exact, folded func(value, text []byte) bool) {
		if text == "" {
			return
		}
		said++
		compare, want := exact, []byte(text)
		if c.IgnoreCase {
			compare, want = folded, lower(want)
		}
		h.is = func(value []byte) match { return matches(compare(value, want)) }
	}
	literal(c.Exact, bytes.Equal, func(v, w []byte) bool { return len(v) == len(w) && foldedPrefix(v, w) })
	literal(c.Prefix, bytes.HasPrefix, foldedPrefix)
	literal(c.Suffix, bytes.HasSuffix, func(v, w []byte) bool { return len(v) >= len(w) && foldedPrefix(v[len(v)-len(w):], w) })
	literal(c.Contains, bytes.Contains, foldedWithin)
	if c.Regex != "" {
		said++
		expression, err := whole(c.Regex)
		if err != nil {
			return nil, fmt.Errorf("the condition on the header %q: %w", c.Name, err)
		}
		h.is = func(value []byte) match { return matchesExpression(expression, value) }
	}
	if c.Present {
		said++
	}
	switch {
	case said != 1:
		return nil, fmt.Errorf("the condition on the header %q says %d things instead of one", c.Name, said)
	case c.IgnoreCase && (c.Present || c.Regex != ""):
		return nil, fmt.Errorf("the condition on the header %q ignores the case of what has none", c.Name)
	}
	return h, nil
}

// match judges a request. A field that is absent meets no condition, be it
// inverted or not, but the one that it is absent.
func (h *header) match(r Request) match {
	var value []byte
	present := true
	switch h.name {
	case asAuthority, asHost:
		value = r.Host()
		present = len(value) > 0
	case asMethod:
		value = r.Method()
	default:
		value, present = r.Field(h.name)
	}
	switch {
	case h.is == nil:
		return matches(present != h.invert)
	case !present:
		return no
	}
	is := h.is(value)
	if is == maybe || !h.invert {
		return is
	}
	return matches(is == no)
}

func matches(is bool) match {
	if is {
		return yes
	}
	return no
}

// whole compiles an expression that must match all of a text (RE2).
func whole(text string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(text); err != nil { // by itself, so that no parenthesis closes ours
		return nil, fmt.Errorf("its expression %q does not compile: %w", text, err)
	}
	return regexp.Compile(`\A(?:` + text + `)\z`)
}

// matchesExpression reports maybe for a text that is not UTF-8: RE2 and Go's
// expressions differ about what such octets are.
func matchesExpression(e *regexp.Regexp, text []byte) match {
	if !utf8.Valid(text) {
		return maybe
	}
	return matches(e.Match(text))
}

// What follows ignores the case of ASCII letters, and of no others.

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func lower(text []byte) []byte {
	for i := range text {
		text[i] = lowerASCII(text[i])
	}
	return text
}

// foldedPrefix reports whether value begins with prefix, which is in lower case.
func foldedPrefix(value, prefix []byte) bool {
	if len(value) < len(prefix) {
		return false
	}
	for i, c := range prefix {
		if lowerASCII(value[i]) != c {
			return false
		}
	}
	return true
}

// foldedWithin reports whether part, which is in lower case, is in value.
func foldedWithin(value, part []byte) bool {
	for ; len(value) >= len(part); value = value[1:] {
		if foldedPrefix(value, part) {
			return true
		}
	}
	return false
}
