package proxy

import (
	"bytes"
	"iter"
)

// This file reads single parameters of a query, which steps take credentials from.

// Parameter yields the values of all parameters of that name, as they were sent. The
// name of one may be percent-encoded; the one that is asked for is plain. A value is
// lent until the request changes.
func (r *Request) Parameter(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := r.Query; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte{'&'})
			if n, value, _ := bytes.Cut(pair, []byte{'='}); isParameter(n, name) && !yield(value) {
				return
			}
		}
	}
}

// DropParameter takes all parameters of that name out of the query, if there are
// any. The received bytes stay as they are: the query is a new one then.
func (r *Request) DropParameter(name string) {
	there := false
	for range r.Parameter(name) {
		there = true
		break
	}
	if !there {
		return
	}
	out := make([]byte, 0, len(r.Query))
	kept := 0
	for rest, more := r.Query, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte{'&'})
		if n, _, _ := bytes.Cut(pair, []byte{'='}); isParameter(n, name) {
			continue
		}
		if kept > 0 {
			out = append(out, '&')
		}
		out = append(out, pair...)
		kept++
	}
	r.Query, r.HasQuery = out, kept > 0
}

// isParameter compares the name of a parameter, which may be percent-encoded, with a
// plain one.
func isParameter(name []byte, plain string) bool {
	at := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			high, low := hexValue(name[i+1]), hexValue(name[i+2])
			if high < 16 && low < 16 {
				c = high<<4 | low
				i += 2
			}
		}
		if at == len(plain) || plain[at] != c {
			return false
		}
		at++
	}
	return at == len(plain)
}

// hexValue is the value of a hexadecimal digit, 16 for what is none.
func hexValue(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}
