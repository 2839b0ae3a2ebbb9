package http1

import "github.com/lictor/lictor/proxy"

// untrailed are the fields, besides those that the gateway knows, that must not
// come after a body: they control how the message is framed, routed, verified,
// cached or read (RFC 9110 section 6.5.1), and a recipient that merged them into
// the head would have acted without them.
var untrailed = [...]string{
	"age", "cache-control", "content-encoding", "content-language", "content-location", "content-range", "expires",
	"if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "max-forwards", "pragma",
	"range", "set-cookie", "vary", "warning", "x-forwarded", "x-http-method", "x-http-method-override", "x-method-override",
}

// mayTrail reports whether a field of that name may be in a trailer section.
// None that the gateway knows may. Some instances take "_" for "-".
func mayTrail(name []byte) bool {
	var space [64]byte
	if len(name) > len(space) {
		return isToken(name) // longer than any that is refused
	}
	n := space[:len(name)]
	for i, c := range name {
		if octets[c]&tchar == 0 {
			return false
		}
		switch {
		case c == '_':
			c = '-'
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		n[i] = c
	}
	if len(n) == 0 || proxy.Classify(n) != proxy.Other {
		return false
	}
	for _, u := range untrailed {
		if string(n) == u {
			return false
		}
	}
	return true
}

// nominated reports whether the Connection field of a head names a field. It
// takes it out of the trailer section too (RFC 9110 section 7.6.1).
func nominated(head *proxy.Fields, name []byte) bool {
	if head == nil {
		return false
	}
	for i := head.Next(proxy.Connection, 0); i >= 0; i = head.Next(proxy.Connection, i+1) {
		rest := head.Value(i)
		for len(rest) > 0 {
			var option []byte
			if option, rest = cutElement(rest); sameName(option, name) {
				return true
			}
		}
	}
	return false
}

// sameName compares field names, which know no case.
func sameName(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x |= 0x20
		}
		if 'A' <= y && y <= 'Z' {
			y |= 0x20
		}
		if x != y {
			return false
		}
	}
	return true
}

// appendAnnounced appends a Trailer field (RFC 9110 section 6.6.2) with those of
// the announced names that may come, or nothing.
func appendAnnounced(out []byte, f *proxy.Fields) []byte {
	first := true
	for i := f.Next(proxy.TrailerField, 0); i >= 0; i = f.Next(proxy.TrailerField, i+1) {
		rest := f.Value(i)
		for len(rest) > 0 {
			var name []byte
			if name, rest = cutElement(rest); !mayTrail(name) || nominated(f, name) {
				continue
			}
			if first {
				out = append(out, "Trailer: "...)
			} else {
				out = append(out, ", "...)
			}
			first = false
			out = append(out, name...)
		}
	}
	if !first {
		out = append(out, "\r\n"...)
	}
	return out
}
