package http1

import (
	"bytes"

	"github.com/lictor/lictor/proxy"
)

// maxEmpty bounds the empty lines that are dropped before one request, in bytes.
// A client that adds one after a body is enough of a burden (RFC 9112 section
// 2.2); more is somebody keeping the gateway busy.
const maxEmpty = 8

var headEnd = []byte("\r\n\r\n")

// headScan looks for the end of one head while it arrives, and looks at no byte
// twice. The zero value is ready for a head, and is what the next one needs.
type headScan struct {
	seen  int // bytes of the head that hold no end
	empty int // bytes of empty lines that were dropped
}

// skip counts the empty lines at the start of b, which the caller throws away
// before it goes on. Only a request may have them in front. A lone CR at the end
// of b may yet become one and is left.
func (s *headScan) skip(b []byte) (n int, err error) {
	for n < len(b) {
		switch {
		case b[n] == '\n':
			return n, errBareLF
		case b[n] != '\r' || n+1 == len(b):
			return n, nil
		case b[n+1] != '\n':
			return n, errBareCR
		}
		n += 2
		if s.empty += 2; s.empty > maxEmpty {
			return n, errEmptyLines
		}
	}
	return n, nil
}

// whole reports whether b, which begins with a head, holds all of it within its
// first limit bytes. False without an error asks for more bytes behind b. What
// can't become a head is refused before its end is there.
func (s *headScan) whole(b []byte, limit int) (bool, error) {
	w := b[:min(len(b), limit)]
	if len(w) >= len(headEnd) && string(w[len(w)-len(headEnd):]) == string(headEnd) {
		return true, nil // nearly every head comes alone and in one piece
	}
	if bytes.Contains(w[max(0, s.seen-len(headEnd)+1):], headEnd) {
		return true, nil
	}
	if len(w) > 0 && octets[w[0]]&tchar == 0 && w[0] != '\r' {
		return false, errMethod
	}
	for i := s.seen; i < len(w); i++ {
		lf := bytes.IndexByte(w[i:], '\n')
		if lf < 0 {
			break
		}
		if i += lf; i == 0 || w[i-1] != '\r' {
			return false, errBareLF
		}
	}
	if s.seen = len(w); len(b) >= limit {
		return false, errHeadTooLarge
	}
	return false, nil
}

// marks are the known fields that a section holds, a bit each.
type marks struct{ once, again uint64 }

func (m marks) has(id proxy.ID) bool      { return m.once>>id&1 != 0 }
func (m marks) repeated(id proxy.ID) bool { return m.again>>id&1 != 0 }

// parseFields records the field lines of b from at on, up to the empty line,
// and returns the index behind it. f must have been Reset to b.
func parseFields(b []byte, at int, f *proxy.Fields) (end int, m marks, err error) {
	for {
		i := at
		for i < len(b) && octets[b[i]]&tchar != 0 {
			i++
		}
		if i >= len(b) {
			return 0, m, errIncomplete
		}
		if i == at || b[i] != ':' {
			if i == at && b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n' {
				return i + 2, m, nil
			}
			return 0, m, nameFault(b, at, i)
		}
		v := i + 1
		verbatim := v < len(b) && b[v] == ' '
		if verbatim {
			v++
		}
		for v < len(b) && octets[b[v]]&blank != 0 {
			v++
			verbatim = false
		}
		e := textEnd(b, v)
		if e+1 >= len(b) {
			return 0, m, errIncomplete
		}
		if b[e] != '\r' || b[e+1] != '\n' {
			return 0, m, octetFault(b[e])
		}
		next := e + 2
		for e > v && octets[b[e-1]]&blank != 0 {
			e--
			verbatim = false
		}
		id, ok := f.Received(at, i-at, v, e-v, verbatim)
		if !ok {
			return 0, m, errTooManyFields
		}
		if id != proxy.Other {
			m.again |= m.once & (1 << id)
			m.once |= 1 << id
		}
		at = next
	}
}

// nameFault says what is wrong with a line whose name begins at and ends at i
// without a colon.
func nameFault(b []byte, at, i int) error {
	c := b[i]
	switch {
	case c == '\r' && i+1 < len(b) && b[i+1] == '\n':
		return errNoColon
	case c == '\r' && i+1 == len(b):
		return errIncomplete
	case c == '\r' || c == '\n':
		return octetFault(c)
	case i == at && octets[c]&blank != 0:
		return errFold
	case i == at && c == ':':
		return errEmptyName
	case octets[c]&blank != 0:
		return errSpaceColon
	default:
		return errFieldName
	}
}

// octetFault says what is wrong with an octet that ended a line too early.
func octetFault(c byte) error {
	switch c {
	case '\r':
		return errBareCR
	case '\n':
		return errBareLF
	default:
		return errControl
	}
}
