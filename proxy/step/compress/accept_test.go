package compress

import (
	"testing"

	"github.com/lictor/lictor/proxy"
)

func accepting(lines ...string) *proxy.Fields {
	f := new(proxy.Fields)
	f.Reset(nil)
	for _, l := range lines {
		f.Foreign("accept-encoding", l)
	}
	return f
}

// TestNegotiation follows RFC 9110 section 12.5.3.
func TestNegotiation(t *testing.T) {
	all := []Coding{Zstd, Brotli, Gzip}
	for _, c := range []struct {
		lines   []string
		offered []Coding
		want    Coding
		refuses bool
	}{
		{nil, all, Identity, false},
		{[]string{""}, all, Identity, false},
		{[]string{"gzip"}, all, Gzip, false},
		{[]string{"gzip, deflate, br, zstd"}, all, Zstd, false},
		{[]string{"gzip, deflate, br"}, all, Brotli, false},
		{[]string{"gzip, br"}, []Coding{Gzip, Brotli}, Gzip, false},
		{[]string{"GZip"}, all, Gzip, false},
		{[]string{"x-gzip"}, all, Gzip, false},
		{[]string{"deflate, compress"}, all, Identity, false},
		{[]string{"zstd"}, []Coding{Gzip}, Identity, false},
		{[]string{"gzip;q=1.0, br;q=0.9, zstd;q=0.8"}, all, Gzip, false},
		{[]string{"gzip;q=0.5, br;q=0.501"}, all, Brotli, false},
		{[]string{"gzip ; Q=0.7 ,\tbr; q=0.3"}, all, Gzip, false},
		{[]string{"br;q=0, gzip"}, all, Gzip, false},
		{[]string{"gzip;q=0"}, all, Identity, false},
		{[]string{"*"}, all, Zstd, false},
		{[]string{"*;q=0.5, gzip;q=0.4"}, all, Zstd, false},
		{[]string{"zstd;q=0, *"}, all, Brotli, false},
		{[]string{"*;q=0"}, all, Identity, true},
		{[]string{"gzip, *;q=0"}, all, Gzip, true},
		{[]string{"identity, *;q=0"}, all, Identity, false},
		{[]string{"identity;q=0"}, all, Identity, true},
		{[]string{"identity;q=0, gzip;q=0.1"}, all, Gzip, true},
		{[]string{"identity, gzip;q=0.5"}, all, Identity, false},
		{[]string{"identity;q=0.5, gzip;q=0.5"}, all, Gzip, false},
		{[]string{"gzip", "br;q=0.5"}, all, Gzip, false},
		{[]string{"gzip;q=2"}, all, Identity, false},
		{[]string{"gzip;q=1.5"}, all, Identity, false},
		{[]string{"gzip;q=0.1234"}, all, Identity, false},
		{[]string{"gzip;q="}, all, Identity, false},
		{[]string{"gzip;q=-1"}, all, Identity, false},
		{[]string{"gzip;level=9"}, all, Identity, false},
		{[]string{",,gzip,,"}, all, Gzip, false},
		{[]string{";q=1,gzip"}, all, Gzip, false},
		{[]string{"gzip;q=1.000"}, all, Gzip, false},
	} {
		var w wants
		w.read(accepting(c.lines...))
		if got := w.best(c.offered); got != c.want || w.refusesIdentity() != c.refuses {
			t.Errorf("%q of %v: %s, refuses identity %v; want %s, %v", c.lines, c.offered, got, w.refusesIdentity(), c.want, c.refuses)
		}
	}
}

// TestRemovedFieldStands: a step may keep the field from the instance, so that it
// is here that answers are compressed. What a step puts in its place holds.
func TestRemovedFieldStands(t *testing.T) {
	f := accepting("gzip")
	f.Del(proxy.AcceptEncoding)
	var w wants
	if w.read(f); w.best([]Coding{Gzip}) != Gzip {
		t.Error("what the client said is forgotten")
	}
	f.AddString(proxy.AcceptEncoding, "identity")
	if w.read(f); w.best([]Coding{Gzip}) != Identity {
		t.Error("what a step said is not heard")
	}
}

func FuzzNegotiation(f *testing.F) {
	for _, s := range []string{"gzip;q=0.5, br", "*;q=0", "identity;q=0,x-gzip", ";;,=,q", "gzip;q=0.000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var w wants
		w.read(accepting(s))
		for c, q := range w {
			if q > 1000 || q < unsaid || Coding(c) != Identity && q < 0 {
				t.Errorf("%q: %s weighs %d", s, Coding(c), q)
			}
		}
		if c := w.best([]Coding{Zstd, Brotli, Gzip}); c != Identity && w[c] <= 0 {
			t.Errorf("%q: %s is not wanted", s, c)
		}
	})
}

func TestTypes(t *testing.T) {
	some := newTypes(DefaultTypes())
	for s, want := range map[string]bool{
		"text/html": true, "Text/HTML; charset=utf-8": true, " text/plain ;x": true, "text/event-stream": true,
		"application/json": true, "application/problem+json": true, "image/svg+xml": true, "application/wasm": true,
		"application/json5": false, "image/png": false, "application/octet-stream": false, "font/woff2": false,
		"": false, "text": false, "application/zip": false, "application/grpc": false, "application/grpc+json": false, "application/grpc-web+json": false,
	} {
		if some.has([]byte(s)) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
	for _, s := range DefaultTypes() {
		if wrong := checkType(s); wrong != "" {
			t.Errorf("%q %s", s, wrong)
		}
	}
	own := newTypes([]string{"application/*"})
	if !own.has([]byte("application/pdf")) || own.has([]byte("application/grpc-web")) || own.has([]byte("text/html")) {
		t.Error("application/* is not what it says")
	}
}
