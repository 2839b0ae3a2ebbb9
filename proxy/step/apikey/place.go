package apikey

import (
	"bytes"

	"github.com/lictor/lictor/proxy"
)

// place is where a key is looked for: a field, or else a query parameter.
type place struct {
	field proxy.Alike // all spellings of header
	// header and query are what the policy says; one of them is empty.
	header, query string
}

// take finds the key of a request, and takes everything from it that an instance
// could take for the key. several says that there is more than one, so that each
// reader might take another. The key is lent until the request changes again.
func (p *place) take(q *proxy.Request) (key []byte, several bool) {
	if p.query != "" {
		return p.takeParameter(q)
	}
	f := &q.Fields
	n := 0
	for i := range f.Len() {
		if !f.Live(i) || !p.field.Is(f.Name(i)) {
			continue
		}
		if equalFold(f.Name(i), p.header) { // the others are only removed
			key = f.Value(i)
			n++
		}
		f.Drop(i)
	}
	return key, n > 1
}

func (p *place) takeParameter(q *proxy.Request) (key []byte, several bool) {
	n := 0
	for rest, more := q.Query, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte{'&'})
		if name, value, _ := bytes.Cut(pair, []byte{'='}); p.named(name) {
			key = value
			n++
		}
	}
	if n == 0 {
		return nil, false
	}
	out := make([]byte, 0, len(q.Query)) // the received bytes are only lent
	for rest, more := q.Query, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte{'&'})
		if name, _, _ := bytes.Cut(pair, []byte{'='}); p.named(name) {
			continue
		}
		if len(out) > 0 {
			out = append(out, '&')
		}
		out = append(out, pair...)
	}
	q.Query, q.HasQuery = out, len(out) > 0
	return key, n > 1
}

// named reports whether a parameter's name, which may be percent-encoded, is that of
// the key.
func (p *place) named(name []byte) bool {
	at := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			high, ok := digit(name[i+1])
			low, also := digit(name[i+2])
			if ok && also {
				c = high<<4 | low
				i += 2
			}
		}
		if at == len(p.query) || p.query[at] != c {
			return false
		}
		at++
	}
	return at == len(p.query)
}

func digit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// equalFold compares two names in ASCII, in any case.
func equalFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
