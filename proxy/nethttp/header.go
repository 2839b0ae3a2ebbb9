package nethttp

import (
	"net/http"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// take records a header of net/http's as received fields. It reports false when
// there are more than a Fields holds.
func take(f *proxy.Fields, h http.Header) bool {
	for name, values := range h {
		for _, v := range values {
			if _, ok := f.Foreign(name, v); !ok {
				return false
			}
		}
	}
	return true
}

// takeAnnounced records the names of trailer fields, which net/http has taken
// out of the header, as Trailer fields. It reports false as take does.
func takeAnnounced(f *proxy.Fields, trailer http.Header) bool {
	for name := range trailer {
		if _, ok := f.Foreign("Trailer", name); !ok {
			return false
		}
	}
	return true
}

// announce puts the received Trailer fields into h, which is how net/http wants
// to be told of trailers.
func announce(h http.Header, f *proxy.Fields) {
	for i := f.Next(proxy.TrailerField, 0); i >= 0; i = f.Next(proxy.TrailerField, i+1) {
		for name := range names(f.Value(i)) {
			if maybeTrailer(name) {
				h["Trailer"] = append(h["Trailer"], name)
			}
		}
	}
}

// direction tells what a header is put together for.
type direction uint8

const (
	toClient direction = iota
	toInstance
)

// skips reports whether line i is not for the header: it is dropped, or has a
// place of its own in net/http's structures.
func (d direction) skips(f *proxy.Fields, i int) bool {
	return !f.Live(i) || (d == toInstance && f.ID(i) == proxy.Host)
}

// key returns the map key for a name that is not a known field's.
//
// http.Transport takes a request with one of the two fields below for one that
// may be sent twice, whatever its method, and looks them up by their canonical
// spelling. Only the pipeline decides that, so they are spelt another way,
// which means the same (RFC 9110 section 5.1).
func (d direction) key(name string) string {
	if d == toInstance && (strings.EqualFold(name, "Idempotency-Key") || strings.EqualFold(name, replayable)) {
		return strings.ToLower(name)
	}
	return name
}

// fill adds the forwardable fields to h. All text is copied, into one string.
func fill(h http.Header, f *proxy.Fields, d direction) {
	size, lines := 0, 0
	for i := range f.Len() {
		if d.skips(f, i) {
			continue
		}
		lines++
		size += len(f.Value(i))
		if f.ID(i) == proxy.Other {
			size += len(f.Name(i))
		}
	}
	var text strings.Builder
	text.Grow(size)
	for i := range f.Len() {
		if d.skips(f, i) {
			continue
		}
		if f.ID(i) == proxy.Other {
			text.Write(f.Name(i))
		}
		text.Write(f.Value(i))
	}
	rest := text.String()
	cut := func(n int) (s string) {
		s, rest = rest[:n], rest[n:]
		return s
	}
	values := make([]string, 0, lines)
	for i := range f.Len() {
		if d.skips(f, i) {
			continue
		}
		name := f.ID(i).String()
		if f.ID(i) == proxy.Other {
			name = d.key(cut(len(f.Name(i))))
		}
		v := cut(len(f.Value(i)))
		if old, again := h[name]; again {
			h[name] = append(old, v)
			continue
		}
		values = append(values, v)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
}

// trailing makes a trailer section out of a header of net/http's. Only fields
// that mean nothing to a gateway or to the framing pass: those that do belong
// in front of the body (RFC 9110 section 6.5.1), and whoever merged them would
// let the body say who sent it. It returns nil when nothing is left.
func trailing(h http.Header) *proxy.Fields {
	var f *proxy.Fields
	for name, values := range h {
		if !maybeTrailer(name) {
			continue
		}
		for _, v := range values {
			if f == nil {
				f = new(proxy.Fields)
				f.Reset(nil)
			}
			if _, ok := f.Foreign(name, v); !ok {
				return f
			}
		}
	}
	return f
}

// maybeTrailer reports whether a field of that name may follow a body. Some
// instances take "_" for "-".
func maybeTrailer(name string) bool {
	return proxy.Classify([]byte(strings.ReplaceAll(name, "_", "-"))) == proxy.Other
}
