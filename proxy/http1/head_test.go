package http1

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestHeadInPieces feeds a head byte by byte, as a slow client does. It must be
// found at its end and not before, whatever follows it in the last piece.
func TestHeadInPieces(t *testing.T) {
	head := crlf("\nPOST / HTTP/1.1\nHost: a\nContent-Length: 5\n\n")
	for _, extra := range []string{"", "h", "hello", "hello\r\n\r\n", "\r\n"} {
		raw := append(slices.Clip(head), extra...)
		var s headScan
		dropped := 0
		for n := 1; n <= len(raw); n++ {
			if n == len(head) {
				n = len(raw) // the last piece brings the rest
			}
			if dropped == 0 {
				d, err := s.skip(raw[:n])
				if err != nil {
					t.Fatal(err)
				}
				dropped = d
			}
			ok, err := s.whole(raw[dropped:n], 1024)
			if err != nil {
				t.Fatal(err)
			}
			if ok != (n == len(raw)) {
				t.Fatalf("after %q: %v", raw[:n], ok)
			}
		}
		if dropped != 2 {
			t.Errorf("dropped %d bytes", dropped)
		}
	}
}

// TestHeadIsScannedOnce shows that what was looked through is not looked at
// again: it may change, and the end is found all the same.
func TestHeadIsScannedOnce(t *testing.T) {
	b := crlf("GET / HTTP/1.1\nHost: a\nX: b\n\n")
	var s headScan
	if ok, err := s.whole(b[:len(b)-4], 1024); ok || err != nil {
		t.Fatal(ok, err)
	}
	copy(b, "\r\n\r\n\n\n\n")
	if ok, err := s.whole(append(b, 'x'), 1024); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if s.seen != len(b)-4 {
		t.Errorf("looked through %d bytes", s.seen)
	}
}

// TestHopelessHeads are refused while their end is yet to come: whoever sends
// them may be waiting for an answer.
func TestHopelessHeads(t *testing.T) {
	for _, c := range []struct {
		raw   string
		limit int
		err   *Error
	}{
		{"GET / HTTP/1.1␊", 1024, errBareLF},
		{"GET / HTTP/1.1\nHost: a\n␊", 1024, errBareLF},
		{"GET / HTTP/1.1\nHost: a␊␊", 1024, errBareLF},
		{"\x80\x2e\x01\x00\x02", 1024, errMethod},
		{"GET / HTTP/1.1\nHost: a\n", 24, errHeadTooLarge},
		{"GET / HTTP/1.1\nHost: a\n\n", 26, errHeadTooLarge},
		{strings.Repeat("x", 24), 24, errHeadTooLarge},
	} {
		raw := crlf(c.raw)
		var s headScan
		if ok, err := s.whole(raw, c.limit); ok || !errors.Is(err, c.err) {
			t.Errorf("%q: %v, %v", c.raw, ok, err)
		}
		s = headScan{} // and in pieces
		var err error
		for n := 0; n <= len(raw) && err == nil; n++ {
			_, err = s.whole(raw[:n], c.limit)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%q in pieces: %v", c.raw, err)
		}
	}
	var s headScan
	if ok, err := s.whole(crlf("GET / HTTP/1.1\nHost: a\n\n"), 27); !ok || err != nil {
		t.Errorf("a head as large as may be: %v, %v", ok, err)
	}
}

func TestEmptyLines(t *testing.T) {
	for _, c := range []struct {
		raw string
		n   int
		err *Error
	}{
		{"", 0, nil},
		{"GET", 0, nil},
		{"\n", 2, nil},
		{"\n␍", 2, nil},
		{"\n\n\n\nGET", 8, nil},
		{"␍", 0, nil},
		{"␍GET", 0, errBareCR},
		{"\n␍␍␊", 2, errBareCR},
		{"␊", 0, errBareLF},
		{"\n␊", 2, errBareLF},
		{"\n\n\n\n\n", 10, errEmptyLines},
	} {
		var s headScan
		n, err := s.skip(crlf(c.raw))
		if n != c.n || (c.err == nil) != (err == nil) || (c.err != nil && !errors.Is(err, c.err)) {
			t.Errorf("%q: %d, %v", c.raw, n, err)
		}
	}
	var s headScan // the bound holds for all reads together
	for range maxEmpty / 2 {
		if _, err := s.skip([]byte("\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.skip([]byte("\r\n")); !errors.Is(err, errEmptyLines) {
		t.Errorf("one empty line after the other: %v", err)
	}
}

// TestIncomplete shows that a parser that is given less than a whole head says
// so, and reads nothing beyond.
func TestIncomplete(t *testing.T) {
	raw := crlf("GET /a HTTP/1.1\nHost: a\nX-Long-Name:  some value\t\n\n")
	for n := range raw {
		var m message
		cut := raw[:n:n]
		if _, err := parseRequest(cut, &m.x.Request, &m.fr); err == nil {
			t.Errorf("%q passes for a head", cut)
		} else if status(t, err) != 400 {
			t.Errorf("%q: %v", cut, err)
		}
	}
	raw = crlf("HTTP/1.1 200 OK\nX-Long-Name:  some value\t\n\n")
	for n := range raw {
		var m message
		if _, err := parseResponse(raw[:n:n], 0, &m.x.Response, &m.fr); err == nil {
			t.Errorf("%q passes for a head", raw[:n])
		}
	}
}

// TestOctetScans compares the scans of eight octets at a time with tables, for
// every octet at every place.
func TestOctetScans(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				b := []byte(strings.Repeat("a", length))
				b[at] = byte(c)
				want := length
				if octets[c]&textual == 0 {
					want = at
				}
				if got := textEnd(b, 0); got != want {
					t.Fatalf("textEnd(%q) = %d", b, got)
				}
				want = length
				if c <= ' ' || c >= 0x7f {
					want = at
				}
				if got := visibleEnd(b, 0); got != want {
					t.Fatalf("visibleEnd(%q) = %d", b, got)
				}
				for other := at + 1; other < length; other++ { // borrows run upwards
					b[other] = 0x80
					if octets[c]&textual == 0 && textEnd(b, 0) != at {
						t.Fatalf("textEnd(%q) = %d", b, textEnd(b, 0))
					}
				}
			}
		}
	}
}

// TestOctetScansOfEdges does it with the octets next to the bounds only, which
// borrow from and carry into each other.
func TestOctetScansOfEdges(t *testing.T) {
	const edges = "\x00\t\x1f !~\x7f\x80\xa0\xff\xff\xff~~  aaaa"
	naive := func(b []byte, ok func(byte) bool) int {
		for i, c := range b {
			if !ok(c) {
				return i
			}
		}
		return len(b)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 200_000 {
		b := make([]byte, 8+r.IntN(10))
		for i := range b {
			b[i] = edges[r.IntN(len(edges))]
		}
		if r.IntN(2) == 0 { // so that some have only the last one to find
			for i := range 7 {
				b[i] |= 0x80
			}
		}
		if got, want := textEnd(b, 0), naive(b, func(c byte) bool { return octets[c]&textual != 0 }); got != want {
			t.Fatalf("textEnd(%q) = %d, want %d", b, got, want)
		}
		if got, want := visibleEnd(b, 0), naive(b, func(c byte) bool { return c > ' ' && c < 0x7f }); got != want {
			t.Fatalf("visibleEnd(%q) = %d, want %d", b, got, want)
		}
	}
}
