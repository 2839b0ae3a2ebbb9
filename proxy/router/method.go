package router

import (
	"fmt"
	"slices"
	"strings"
)

// A methods value is a set of methods, one bit each in the order of the
// router's verbs. Sets that a rule names never hold the bit unnamed.
type methods uint64

const (
	get methods = 1 << iota
	head
	post
	put
	patch
	del
	options
	connect
	trace

	// unnamed is the bit of every method that no rule names.
	unnamed methods = 1 << 63
	// anyMethod is the set of a rule that names no method.
	anyMethod = ^methods(0)
)

// verbs gives each method its bit. The first nine are those of RFC 9110 and
// RFC 5789; the others are what the rules name besides.
type verbs struct {
	names []string
	bits  map[string]methods // the others only
}

func newVerbs() *verbs {
	return &verbs{
		names: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"},
		bits:  map[string]methods{},
	}
}

// named is the set of the given methods, without what they imply: empty for an
// empty list.
func (v *verbs) named(list []string) (set methods, errs []error) {
	for _, name := range list {
		if !token(name) {
			errs = append(errs, fmt.Errorf("%q is not a method", name))
			continue
		}
		bit := v.bit([]byte(name))
		if bit == unnamed {
			if up := strings.ToUpper(name); slices.Contains(v.names[:9], up) {
				errs = append(errs, fmt.Errorf("methods are case-sensitive: write %q, not %q", up, name))
				continue
			}
			if len(v.names) == 63 {
				errs = append(errs, fmt.Errorf("method %q is one too many: all routes together may name 63", name))
				continue
			}
			bit = 1 << len(v.names)
			v.names = append(v.names, name)
			v.bits[name] = bit
		}
		set |= bit
	}
	return set, errs
}

// implied adds to a set what it stands for: GET answers HEAD too (RFC 9110,
// 9.3.2), the empty set is any method.
func (m methods) implied() methods {
	if m == 0 {
		return anyMethod
	}
	if m&get != 0 {
		m |= head
	}
	return m
}

// bit is the bit of one method, unnamed if no rule names it. Methods are
// case-sensitive (RFC 9110, 9.1).
func (v *verbs) bit(name []byte) methods {
	switch string(name) {
	case "GET":
		return get
	case "HEAD":
		return head
	case "POST":
		return post
	case "PUT":
		return put
	case "PATCH":
		return patch
	case "DELETE":
		return del
	case "OPTIONS":
		return options
	case "CONNECT":
		return connect
	case "TRACE":
		return trace
	}
	if len(v.bits) > 0 {
		if bit, ok := v.bits[string(name)]; ok {
			return bit
		}
	}
	return unnamed
}

// token reports whether s is a token of RFC 9110, 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
