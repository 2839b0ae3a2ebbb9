package router

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// conditions are what a rule asks for beyond host, path and method. All must
// hold.
type conditions struct {
	literal string         // a regex's path begins with it
	regex   *regexp.Regexp // anchored at both ends; nil for other paths
	headers []pair         // names in lower case
	query   []pair
}

// A pair is a header or query condition: the value is equal, octet by octet.
type pair struct{ name, value string }

// hold reports whether a request meets all the conditions. Nil always holds.
func (c *conditions) hold(q *Request) bool {
	if c == nil {
		return true
	}
	if c.regex != nil && (!hasPrefix(q.Path, c.literal) || !c.regex.Match(q.Path)) {
		return false
	}
	for i := range c.headers {
		if q.Headers == nil {
			return false
		}
		value, ok := q.Headers.Lookup(c.headers[i].name)
		if !ok || string(value) != c.headers[i].value {
			return false
		}
	}
	for i := range c.query {
		if !queryHolds(q.Query, &c.query[i]) {
			return false
		}
	}
	return true
}

func hasPrefix(p []byte, s string) bool { return len(p) >= len(s) && string(p[:len(s)]) == s }

// queryHolds reports whether the first parameter of the condition's name has
// its value. Parameters are separated by '&' only; escapes and '+' are decoded
// for the comparison; a parameter without '=' has the empty value; a malformed
// escape equals nothing.
func queryHolds(query []byte, p *pair) bool {
	for len(query) > 0 {
		var name, value []byte
		if i := bytes.IndexByte(query, '&'); i >= 0 {
			name, query = query[:i], query[i+1:]
		} else {
			name, query = query, nil
		}
		if i := bytes.IndexByte(name, '='); i >= 0 {
			name, value = name[:i], name[i+1:]
		} else if len(name) == 0 {
			continue
		}
		if FormEqual(name, p.name) {
			return FormEqual(value, p.value)
		}
	}
	return false
}

// FormEqual reports whether p, decoded as a form (escapes, and '+' for a
// space), is s.
func FormEqual(p []byte, s string) bool {
	k := 0
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(p) || !hex(p[i+1]) || !hex(p[i+2]) {
				return false
			}
			c = unhex(p[i+1])<<4 | unhex(p[i+2])
			i += 2
		}
		if k == len(s) || s[k] != c {
			return false
		}
		k++
	}
	return k == len(s)
}

// compileHeaders checks header conditions and sorts them by name.
func compileHeaders(m map[string]string) ([]pair, []error) {
	var out []pair
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(m)) {
		value, lower := m[name], strings.ToLower(name)
		switch {
		case !token(name):
			errs = append(errs, fmt.Errorf("%q is not a field name", name))
		case lower == "host":
			errs = append(errs, fmt.Errorf("the host is matched by hosts, not by headers"))
		case slices.ContainsFunc(out, func(p pair) bool { return p.name == lower }):
			errs = append(errs, fmt.Errorf("%q is given twice: field names have no case", name))
		case strings.Trim(value, " \t") != value || strings.ContainsFunc(value, control):
			errs = append(errs, fmt.Errorf("%q: no field can have the value %q", name, value))
		default:
			out = append(out, pair{lower, value})
		}
	}
	slices.SortFunc(out, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return out, errs
}

// compileQuery checks query conditions and sorts them by name.
func compileQuery(m map[string]string) ([]pair, []error) {
	var out []pair
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name == "" {
			errs = append(errs, fmt.Errorf("a parameter has no name"))
			continue
		}
		out = append(out, pair{name, m[name]})
	}
	return out, errs
}

// control reports whether no field value may hold r (RFC 9110, 5.5).
func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }
