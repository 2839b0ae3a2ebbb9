package http1

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

func TestChunkedRefused(t *testing.T) {
	for _, c := range []struct {
		name string // RFC 9112 section 7.1 throughout
		raw  string
		err  *Error
	}{
		{"no size", "\nhello\n0\n\n", errChunkSize},
		{"0x", "0x5\nhello\n0\n\n", errChunkSize},
		{"sign", "+5\nhello\n0\n\n", errChunkSize},
		{"negative", "-5\nhello\n0\n\n", errChunkSize},
		{"no digit", "g\nhello\n0\n\n", errChunkSize},
		{"underscore", "1_0\nhello\n0\n\n", errChunkSize},
		{"space in front", " 5\nhello\n0\n\n", errChunkSize},
		{"tab in front", "\t5\nhello\n0\n\n", errChunkSize},
		{"space behind", "5 \nhello\n0\n\n", errChunkSize},
		{"tab behind", "5\t\nhello\n0\n\n", errChunkSize},
		{"vertical tab behind", "5\x0b\nhello\n0\n\n", errChunkSize},
		{"NUL behind", "5\x00\nhello\n0\n\n", errChunkSize},
		{"two sizes", "5 5\nhello\n0\n\n", errChunkSize},
		{"decimal point", "5.0\nhello\n0\n\n", errChunkSize},
		{"17 digits", "00000000000000005\nhello\n0\n\n", errChunkSize},
		{"beyond all", "8000000000000000\nhello\n0\n\n", errChunkTooLarge},
		{"wraps around", "fffffffffffffffb\nhello\n0\n\n", errChunkTooLarge},
		{"bare LF after the size", "5␊hello\n0\n\n", errBareLF},
		{"bare CR after the size", "5␍hello\n0\n\n", errBareCR},
		{"bare CR, then CRLF", "5␍\nhello\n0\n\n", errBareCR},
		{"data too long", "4\nhello\n0\n\n", errChunkEnd},
		{"bare LF after the data", "5\nhello␊0\n\n", errChunkEnd},
		{"bare CR after the data", "5\nhello␍0\n\n", errChunkEnd},
		{"nothing after the data", "5\nhello0\n\n", errChunkEnd},
		{"space before an extension", "5 ;a\nhello\n0\n\n", errChunkSize},
		{"extension without a name", "5;\nhello\n0\n\n", errChunkExtension},
		{"extension without a name, with a value", "5;=a\nhello\n0\n\n", errChunkExtension},
		{"extension without a value", "5;a=\nhello\n0\n\n", errChunkExtension},
		{"two equals signs", "5;a==b\nhello\n0\n\n", errChunkExtension},
		{"two semicolons", "5;;a\nhello\n0\n\n", errChunkExtension},
		{"two names", "5;a b\nhello\n0\n\n", errChunkExtension},
		{"space behind a name", "5;a \nhello\n0\n\n", errChunkExtension},
		{"space behind a value", "5;a=b \nhello\n0\n\n", errChunkExtension},
		{"space behind a quoted value", "5;a=\"b\" \nhello\n0\n\n", errChunkExtension},
		{"quote without end", "5;a=\"b\nhello\n0\n\n", errChunkExtension},
		{"quote and more", "5;a=\"b\"c\nhello\n0\n\n", errChunkExtension},
		{"quote that holds a line's end", "5;a=\"b\n\"\nhello\n0\n\n", errChunkExtension},
		{"quoted control", "5;a=\"\x01\"\nhello\n0\n\n", errChunkExtension},
		{"escaped control", "5;a=\"\\\x01\"\nhello\n0\n\n", errChunkExtension},
		{"escaped line's end", "5;a=\"\\\n\"\nhello\n0\n\n", errChunkExtension},
		{"control in a name", "5;a\x00\nhello\n0\n\n", errChunkExtension},
		{"bare LF in an extension", "5;a␊hello\n0\n\n", errBareLF},
		{"bare LF in a quote", "5;a=\"b␊\"\nhello\n0\n\n", errBareLF},
		{"bare CR in an extension", "5;a␍b\nhello\n0\n\n", errBareCR},
		{"extension on the last chunk", "5\nhello\n0;\n\n", errChunkExtension},
		{"large extension", "5;" + strings.Repeat("a", maxExtension) + "\nhello\n0\n\n", errChunkExcess},
		{"many extensions", strings.Repeat("1;abcdefgh=ijklmnop\na\n", maxExtension/16) + "0\n\n", errChunkExcess},
		{"bare LF as the end", "5\nhello\n0\n␊", errBareLF},
		{"bare LF after a trailer", "5\nhello\n0\nX: a␊\n", errBareLF},
		{"bare CR in a trailer", "5\nhello\n0\nX: a␍b\n\n", errBareCR},
		{"folded trailer", "5\nhello\n0\nX: a\n b\n\n", errFold},
		{"trailer without colon", "5\nhello\n0\nX\n\n", errNoColon},
		{"space before a trailer's colon", "5\nhello\n0\nX : a\n\n", errSpaceColon},
		{"a request where a trailer belongs", "5\nhello\n0\nGET / HTTP/1.1\nHost: a\n\n", errSpaceColon},
		{"control in a trailer", "5\nhello\n0\nX: a\x00\n\n", errControl},
		{"large trailer", "0\n" + strings.Repeat("X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", maxTrailer/64) + "\n", errTrailerLarge},
		{"large line in a trailer", "0\nX: " + strings.Repeat("a", maxTrailer) + "\n\n", errTrailerLarge},
		{"many trailers", "0\n" + strings.Repeat("X: a\n", proxy.MaxFields+1) + "\n", errTooManyFields},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := crlf(c.raw)
			for _, size := range []int{len(raw), 1, 2, 3, 7} {
				var d chunks
				d.reset(nil)
				if _, _, err := decode(&d, raw, size); !errors.Is(err, c.err) {
					t.Errorf("in pieces of %d: got %v, want %v", size, err, c.err)
				}
			}
		})
	}
}

func TestChunkedAccepted(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 64)
	for _, c := range []struct {
		name, raw, body, trailer string
	}{
		{"empty", "0\n\n", "", ""},
		{"empty with zeros", "0000000000000000\n\n", "", ""},
		{"one chunk", "5\nhello\n0\n\n", "hello", ""},
		{"several", "5\nhello\n1\n,\n006\n world\n0\n\n", "hello, world", ""},
		{"both cases", "A\n0123456789\na\n0123456789\n0\n\n", "01234567890123456789", ""},
		{"long", "400\n" + long + "\n0\n\n", long, ""},
		{"data that looks like the end", "7\n\n0\n\n\n0\n\n", "\r\n0\r\n\r\n", ""},
		{"extensions", "5;a\nhello\n0;b=c;d=\"e\\\"; \tf\xff\"\n\n", "hello", ""},
		{"extensions without a value", "5;a;b;\tc  ;d\nhello\n0\n\n", "hello", ""},
		{"white space between extensions", "5;a=b  \t; c=\"d\" \t ;e\nhello\n0\n\n", "hello", ""},
		{"empty quoted value", "5;a=\"\"\nhello\n0\n\n", "hello", ""},
		{"BWS", "5;\ta = b ; c\t=\t\"d\" ;e\nhello\n0\n\n", "hello", ""},
		{"extensions in proportion", strings.Repeat("40;signature=0123456789abcdef0123456789abcdef0123456789abcdef\n"+long[:64]+"\n", 100) + "0\n\n", strings.Repeat(long[:64], 100), ""},
		{"trailers", "5\nhello\n0\nX-Sum: \t1 \nx-other:2\n\n", "hello", "X-Sum=1;x-other=2;"},
		{"trailers and no data", "0\nGrpc-Status: 0\n\n", "", "Grpc-Status=0;"},
		{"forbidden trailers", "0\nContent-Length: 5\nTransfer-Encoding: gzip\nHost: b\nAuthorization: c\nX-Forwarded-For: d\n" +
			"Content-Encoding: e\nSet-Cookie: f\nContent_Length: g\nX_Forwarded-For: h\nTrailer: i\nConnection: X-Sum\nCache-Control: j\nX-Sum: k\n\n", "", "X-Sum=k;"},
		{"long name", "0\n" + long[:80] + ": a\n\n", "", long[:80] + "=a;"},
		{"nominated trailers", "0\nX-Hop: a\nx-end: b\n\n", "", "x-end=b;"},
		{"long trailer", "0\nX: " + long + long + "\n\n", "", "X=" + long + long + ";"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := append(crlf(c.raw), "GET /next"...)
			body := string(crlf(c.body)) // no case has a bare LF
			if c.name == "data that looks like the end" {
				body = c.body
			}
			head := new(proxy.Fields)
			head.Reset(nil)
			head.AddName("Connection", "close , X-HOP")
			var d chunks
			for size := 1; size <= len(raw); size += 1 + size/300 { // no line is longer
				d.reset(head)
				got, n, err := decode(&d, raw, size)
				if err != nil {
					t.Fatalf("in pieces of %d: %v", size, err)
				}
				if got != body || lines(d.Trailer()) != c.trailer {
					t.Errorf("in pieces of %d: body %q trailer %q", size, got, lines(d.Trailer()))
				}
				if string(raw[n:]) != "GET /next" {
					t.Errorf("in pieces of %d: the next request begins at %q", size, raw[n:])
				}
				if _, n, err := d.next(raw[n:]); n != 0 || !errors.Is(err, io.EOF) {
					t.Errorf("after the end: %d bytes, %v", n, err)
				}
			}
		})
	}
}

// TestChunkedSplits decodes random bodies in random pieces: how the network cut
// them must make no difference, and the data is never copied.
func TestChunkedSplits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var raw []byte
		var want strings.Builder
		for range r.IntN(6) {
			data := strings.Repeat(string(rune('a'+r.IntN(26))), 1+r.IntN(40))
			want.WriteString(data)
			raw = fmt.Appendf(raw, "%0*x", 1+r.IntN(4), len(data))
			if r.IntN(3) == 0 {
				raw = append(raw, ";a=\"b\\\"c\""...)
			}
			raw = append(raw, "\r\n"+data+"\r\n"...)
		}
		raw = append(raw, "0\r\n"...)
		trailer := ""
		for i := range r.IntN(3) {
			raw = fmt.Appendf(raw, "X-%d: v%d\r\n", i, i)
			trailer += fmt.Sprintf("X-%d=v%d;", i, i)
		}
		raw = append(raw, "\r\nnext"...)
		var c chunks
		c.reset(nil)
		var got strings.Builder
		at, end := 0, 0
		for ended := false; !ended; {
			if end == len(raw) {
				t.Fatalf("%q does not end", raw)
			}
			end = min(len(raw), end+1+r.IntN(9))
			for {
				data, n, err := c.next(raw[at:end])
				if len(data) > 0 && !within(data, raw) {
					t.Fatal("the data was copied")
				}
				got.Write(data)
				at += n
				if ended = err != nil; ended {
					break
				}
				if len(data) == 0 {
					break
				}
			}
		}
		if got.String() != want.String() || lines(c.Trailer()) != trailer || string(raw[at:]) != "next" {
			t.Fatalf("%q: body %q trailer %q rest %q", raw, got.String(), lines(c.Trailer()), raw[at:])
		}
	}
}

// within reports whether part lies in the memory of all.
func within(part, all []byte) bool {
	for i := range all {
		if &all[i] == &part[0] {
			return true
		}
	}
	return false
}

// TestChunkedDataThatNeverEnds shows that sizes near the bound are counted right.
func TestChunkedDataThatNeverEnds(t *testing.T) {
	var c chunks
	c.reset(nil)
	if _, _, err := c.next([]byte("7fffffffffffffff\r\n")); err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1<<16)
	for range 4 {
		data, n, err := c.next(piece)
		if len(data) != len(piece) || n != len(piece) || err != nil {
			t.Fatal(len(data), n, err)
		}
	}
}

// TestChunkedIsReadAgain shows that nothing of one body is left in the next.
func TestChunkedIsReadAgain(t *testing.T) {
	var c chunks
	for _, body := range []struct{ raw, trailer string }{
		{"1;a=b\na\n0\nX: y\n\n", "X=y;"}, {"0\n\n", ""}, {"0\nZ: w\n\n", "Z=w;"}, {"0\nHost: a\n\n", ""},
	} {
		c.reset(nil)
		if c.Trailer() != nil {
			t.Error("a trailer section before the end")
		}
		raw := crlf(body.raw)
		if _, n, err := decode(&c, raw, len(raw)); n != len(raw) || err != nil {
			t.Fatal(n, err)
		}
		if lines(c.Trailer()) != body.trailer || (c.Trailer() == nil) != (string(raw) == "0\r\n\r\n") {
			t.Errorf("%q: trailers %q", raw, lines(c.Trailer()))
		}
	}
	c.reset(nil) // and not of one that was given up
	if _, _, err := c.next([]byte("12;a")); err != nil {
		t.Fatal(err)
	}
	c.reset(nil)
	if body, n, err := decode(&c, []byte("1\r\nx\r\n0\r\n\r\n"), 64); body != "x" || n != 11 || err != nil {
		t.Error(body, n, err)
	}
}
