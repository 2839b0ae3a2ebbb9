package jwt

import (
	"math/big"
	"strings"
)

// requirement is what one claim must hold.
type requirement struct {
	claim  claimName
	values []Value
}

func newClaimName(name string) claimName {
	return claimName{name: name, path: strings.Split(name, ".")}
}

// met reports whether the claim holds all values.
func (r *requirement) met(d document) bool {
	i := r.claim.find(d)
	if i < 0 {
		return false
	}
	for j := range r.values {
		if !r.values[j].in(d, i) {
			return false
		}
	}
	return true
}

// in reports whether the claim at i is the value or has it: as an element of a
// list, or as a word of a string (RFC 8693 section 4.2).
func (v *Value) in(d document, i int) bool {
	n := &d[i]
	if n.kind == arrayKind {
		for j := i + 1; j < int(n.end); j = int(d[j].end) {
			if v.is(&d[j]) {
				return true
			}
		}
		return false
	}
	if v.is(n) {
		return true
	}
	if v.String == nil || n.kind != stringKind {
		return false
	}
	for rest, more := n.text, true; more; {
		var word string
		if word, rest, more = strings.Cut(rest, " "); word != "" && word == *v.String {
			return true
		}
	}
	return false
}

// is compares a value with one string, number or bool. A string is never a
// number.
func (v *Value) is(n *node) bool {
	switch {
	case v.String != nil:
		return n.kind == stringKind && n.text == *v.String
	case v.Bool != nil:
		return n.kind == boolKind && (n.text == "true") == *v.Bool
	case n.kind != numberKind:
		return false
	}
	// As precise as the policy's language is; an exponent costs nothing.
	f, _, err := big.ParseFloat(n.text, 10, 512, big.ToNearestEven)
	return err == nil && f.Cmp(v.Number) == 0
}
