package proxy

import (
	"bytes"
	"net/netip"
	"slices"
)

// This file reads the two fields that carry the client's address through
// proxies. Both are read from right to left: the nearest proxy wrote last.

// readXForwardedFor reads all X-Forwarded-For lines as one list.
func (c *forwardChain) readXForwardedFor(f *Fields) {
	c.readLines(f, XForwardedFor, func(element []byte) (h hop, ok bool) {
		h.addr, ok = parseNode(element)
		return h, ok
	})
}

// readForwarded reads all Forwarded lines (RFC 7239 section 4) as one list.
func (c *forwardChain) readForwarded(f *Fields) {
	c.readLines(f, ForwardedField, parseForwarded)
}

// parseForwarded reads one element of a Forwarded field. One that is malformed,
// or names a parameter twice, is nobody's word.
func parseForwarded(element []byte) (h hop, ok bool) {
	for len(element) > 0 {
		var pair []byte
		pair, element = cutQuoted(element, ';')
		name, value, _ := bytes.Cut(pair, []byte{'='})
		if value, ok = unquote(trimOWS(value)); !ok && len(trimOWS(pair)) > 0 {
			return hop{}, false
		}
		switch name = trimOWS(name); {
		case EqualFold(name, "for"):
			if h.addr.IsValid() {
				return hop{}, false
			}
			if h.addr, ok = parseNode(value); !ok {
				return hop{}, false
			}
		case EqualFold(name, "proto"):
			switch {
			case h.proto != "":
				return hop{}, false
			case EqualFold(value, "https"):
				h.proto = "https"
			case EqualFold(value, "http"):
				h.proto = "http"
			}
		}
	}
	return h, h.addr.IsValid()
}

// unquote takes the quotes off a quoted-string without escapes (none of the
// values that matter needs one), and leaves a bare value as it is.
func unquote(v []byte) ([]byte, bool) {
	if len(v) == 0 || v[0] != '"' {
		return v, len(v) > 0
	}
	if len(v) < 2 || v[len(v)-1] != '"' || bytes.IndexByte(v, '\\') >= 0 {
		return nil, false
	}
	return v[1 : len(v)-1], true
}

// readLines pushes the elements of a list field from the last to the first and
// stops at one that names no address: what lies beyond it can't be placed.
func (c *forwardChain) readLines(f *Fields, id ID, parse func([]byte) (hop, bool)) {
	for i := f.Len() - 1; i >= 0; i-- {
		if f.ID(i) != id || !f.Live(i) {
			continue
		}
		rest := f.Value(i)
		for len(rest) > 0 {
			var element []byte
			rest, element = cutLast(rest)
			if element = trimOWS(element); len(element) == 0 {
				continue
			}
			if !c.push(parse(element)) {
				return
			}
		}
	}
}

// cutLast splits off the last element of a list. Commas inside quotes do not
// split.
func cutLast(s []byte) (rest, element []byte) {
	quoted := false
	for i, c := range slices.Backward(s) {
		switch {
		case c == '"':
			if !escaped(s, i) {
				quoted = !quoted
			}
		case c == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return nil, s
}

// escaped reports whether an odd number of backslashes stands before s[i].
func escaped(s []byte, i int) bool {
	n := i
	for n > 0 && s[n-1] == '\\' {
		n--
	}
	return (i-n)%2 == 1
}

// cutQuoted splits at the first separator that is not inside quotes.
func cutQuoted(s []byte, sep byte) (element, rest []byte) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, nil
}

// parseNode reads an address as proxies write it: bare, with a port, or as
// "[v6]" or "[v6]:port". Names such as "unknown" and "_hidden" (RFC 7239
// section 6) are no address.
func parseNode(s []byte) (netip.Addr, bool) {
	const longest = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%interface0]:65535")
	if len(s) == 0 || len(s) > longest {
		return netip.Addr{}, false
	}
	bracketed := s[0] == '['
	switch colon := bytes.IndexByte(s, ':'); {
	case bracketed:
		end := bytes.IndexByte(s, ']')
		if end < 0 || (end+1 < len(s) && !nodePort(s[end+1:])) {
			return netip.Addr{}, false
		}
		s = s[1:end]
	case colon >= 0 && colon == bytes.LastIndexByte(s, ':'): // IPv4 with a port
		if !nodePort(s[colon:]) {
			return netip.Addr{}, false
		}
		s = s[:colon]
	}
	a, err := netip.ParseAddr(lendString(s))
	if err != nil || (bracketed && a.Is4()) {
		return netip.Addr{}, false
	}
	return a, true
}

// nodePort reports whether s is a colon and a port: digits, or an obfuscated
// name that begins with "_" (RFC 7239 section 6).
func nodePort(s []byte) bool {
	if len(s) < 2 || s[0] != ':' {
		return false
	}
	if s = s[1:]; s[0] == '_' {
		return visible(s)
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) <= len("65535")
}
