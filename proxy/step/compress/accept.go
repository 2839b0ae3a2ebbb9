package compress

import (
	"bytes"

	"github.com/lictor/lictor/proxy"
)

// wants is what a client says of codings: a weight from 0 to 1000 for each, or
// unsaid.
type wants [codings]int16

const unsaid = -1

// read takes in the Accept-Encoding of a request (RFC 9110 section 12.5.3).
//
// Where a step has taken the field away to keep it from the instance, what the
// client said stands.
func (w *wants) read(f *proxy.Fields) {
	*w = wants{unsaid, unsaid, unsaid, unsaid}
	others := int16(unsaid)
	live := f.Get(proxy.AcceptEncoding) != nil
	for i := range f.Len() {
		if f.ID(i) == proxy.AcceptEncoding && f.Live(i) == live {
			others = w.line(f.Value(i), others)
		}
	}
	for c := range w {
		switch {
		case w[c] != unsaid:
		case Coding(c) != Identity:
			w[c] = max(others, 0)
		case others == 0:
			w[c] = 0
		}
	}
}

// line reads one list, and returns what "*" weighs.
func (w *wants) line(rest []byte, others int16) int16 {
	for len(rest) > 0 {
		var element []byte
		element, rest, _ = bytes.Cut(rest, comma)
		name, parameters, _ := bytes.Cut(element, semicolon)
		weight, ok := quality(parameters)
		if !ok {
			continue
		}
		if name = bytes.Trim(name, " \t"); string(name) == "*" {
			others = weight
			continue
		}
		if c, known := codingOf(name); known {
			w[c] = weight
		}
	}
	return others
}

var comma, semicolon = []byte{','}, []byte{';'}

// codingOf knows a coding by its name, in any case.
func codingOf(name []byte) (Coding, bool) {
	for c := range codings {
		if bytes.EqualFold(name, codingBytes[c]) {
			return c, true
		}
	}
	return Gzip, bytes.EqualFold(name, xGzip) // RFC 9110 section 8.4.1.3
}

var (
	codingBytes = [codings][]byte{[]byte("identity"), []byte("zstd"), []byte("br"), []byte("gzip")}
	xGzip       = []byte("x-gzip")
)

// quality reads what follows a coding's name, a weight or nothing, in thousandths
// (RFC 9110 section 12.4.2). ok is false when it is neither.
func quality(p []byte) (q int16, ok bool) {
	p = bytes.Trim(p, " \t")
	if len(p) == 0 {
		return 1000, true
	}
	name, value, found := bytes.Cut(p, []byte{'='})
	if !found || len(name) != 1 || name[0]|0x20 != 'q' || len(value) == 0 || len(value) > 5 {
		return 0, false
	}
	digits := value[1:]
	if len(digits) > 0 {
		if digits[0] != '.' {
			return 0, false
		}
		digits = digits[1:]
	}
	for i, scale := 0, int16(100); i < len(digits); i, scale = i+1, scale/10 {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		q += int16(digits[i]-'0') * scale
	}
	switch {
	case value[0] == '1' && q == 0:
		return 1000, true
	case value[0] == '0':
		return q, true
	}
	return 0, false
}

// best returns the coding that the client likes best, of several the first that
// is offered. Identity wins only where the client says that it likes it better.
func (w *wants) best(offered []Coding) Coding {
	best := Identity
	for _, c := range offered {
		if w[c] > 0 && w[c] >= w[Identity] && (best == Identity || w[c] > w[best]) {
			best = c
		}
	}
	return best
}

// refusesIdentity reports whether the client does not take a body as it is.
func (w *wants) refusesIdentity() bool { return w[Identity] == 0 }
