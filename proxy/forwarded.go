package proxy

import (
	"bytes"
	"net/netip"
)

// This file reads the two fields that carry the client's address through
// proxies. Both are read from right to left: the nearest proxy wrote last.

// readXForwardedFor reads all X-Forwarded-For lines as one list.
func (c *forwardChain) readXForwardedFor(f *Fields) {
	c.readLines(f, XForwardedFor, parseNode)
}

// readForwarded reads the for parameters of all Forwarded lines (RFC 7239
// section 4) as one list.
func (c *forwardChain) readForwarded(f *Fields) {
	c.readLines(f, ForwardedField, func(element []byte) (netip.Addr, bool) {
		for len(element) > 0 {
			var pair []byte
			pair, element = cutQuoted(element, ';')
			name, value, _ := bytes.Cut(pair, []byte{'='})
			if equalFold(trimOWS(name), "for") {
				return parseNode(bytes.Trim(trimOWS(value), `"`))
			}
		}
		return netip.Addr{}, false
	})
}

// readLines pushes the elements of a list field from the last to the first and
// stops at one that names no address: what lies beyond it can't be placed.
func (c *forwardChain) readLines(f *Fields, id ID, parse func([]byte) (netip.Addr, bool)) {
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
	for i := len(s) - 1; i >= 0; i-- {
		switch {
		case s[i] == '"' && (i == 0 || s[i-1] != '\\'):
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return nil, s
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
	switch {
	case s[0] == '[':
		end := bytes.IndexByte(s, ']')
		if end < 0 || (end+1 < len(s) && s[end+1] != ':') {
			return netip.Addr{}, false
		}
		s = s[1:end]
	case bytes.Count(s, []byte{':'}) == 1: // IPv4 with a port
		s = s[:bytes.IndexByte(s, ':')]
	}
	a, err := netip.ParseAddr(lendString(s))
	return a, err == nil
}
