package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
)

// The fuzz targets compare what is read here with what net/http reads. It is the
// laxer of the two, so the rule is: whatever passes here passes there too, with
// the same meaning.

const fuzzBuffer = 128 << 10 // more than net/http wants to see at once of a trailer

// isEscape reports whether net/http refused a path for its escapes. Here that
// is the router's to do.
func isEscape(err error) bool {
	var escape url.EscapeError
	return errors.As(err, &escape)
}

// header collects all received fields by canonical name.
func header(f *proxy.Fields) http.Header {
	h := http.Header{}
	for i := range f.Len() {
		h.Add(string(f.Name(i)), string(f.Value(i)))
	}
	return ordinary(h)
}

// ordinary leaves out what net/http keeps elsewhere, or makes up.
func ordinary(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range []string{"Host", "Transfer-Encoding", "Trailer"} {
		h.Del(name)
	}
	if h.Get("Pragma") == "no-cache" {
		h.Del("Cache-Control")
	}
	return h
}

func same(a, b http.Header) bool { return maps.EqualFunc(a, b, slices.Equal) }

// announcesFraming reports whether a Trailer field names what net/http refuses
// to see there. Here such names are left out of what is passed on.
func announcesFraming(f *proxy.Fields) bool {
	return f.HasToken(proxy.TrailerField, "content-length") || f.HasToken(proxy.TrailerField, "transfer-encoding") ||
		f.HasToken(proxy.TrailerField, "trailer")
}

func FuzzRequest(f *testing.F) {
	for _, c := range accepted {
		f.Add(append(crlf(c.raw), "GET /next HTTP/1.1\r\n"...))
	}
	for _, c := range refusals {
		if len(c.raw) < 1024 {
			f.Add(crlf(c.raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := readRequest(raw)
		if errors.Is(err, errCut) {
			return
		}
		if got := status(t, err); err != nil {
			if !slices.Contains([]int{400, 413, 431, 501, 505}, got) {
				t.Errorf("%v is answered with %d", err, got)
			}
			return
		}
		q := &m.x.Request
		if announcesFraming(&q.Fields) {
			return
		}
		for i := 0; i < q.Fields.Len(); i++ {
			if !isToken(q.Fields.Name(i)) || textEnd(q.Fields.Value(i), 0) != len(q.Fields.Value(i)) {
				t.Errorf("field %q: %q", q.Fields.Name(i), q.Fields.Value(i))
			}
		}
		in := raw
		for bytes.HasPrefix(in, []byte("\r\n")) {
			in = in[2:]
		}
		br := bufio.NewReaderSize(bytes.NewReader(in), fuzzBuffer)
		r, err := http.ReadRequest(br)
		if err != nil {
			if _, refused := router.Normalize(nil, q.Path, router.PathOptions{}); isEscape(err) && refused != nil {
				return
			}
			t.Fatalf("net/http: %v", err)
		}
		if r.Method != string(q.Method) || r.RequestURI != string(q.Target) || r.Host != string(q.Host) || r.ProtoMinor != int(q.Protocol-10) {
			t.Errorf("net/http reads %q %q %q %q", r.Method, r.RequestURI, r.Host, r.Proto)
		}
		if r.ContentLength != q.Length || (r.TransferEncoding != nil) != (m.fr.end == byChunks) {
			t.Errorf("net/http has length %d and coding %q", r.ContentLength, r.TransferEncoding)
		}
		if ours, theirs := header(&q.Fields), ordinary(r.Header); !same(ours, theirs) {
			t.Errorf("fields\n%q, of net/http\n%q", ours, theirs)
		}
		if q.Protocol == proxy.HTTP11 && r.Close && !m.fr.close {
			t.Error("net/http closes")
		}
		sameRest(t, raw, m, r.Body, br)
		sameTrailer(t, m.trailer, r.Trailer, &q.Fields)
		if q.Verb != proxy.MethodConnect && len(q.Host) > 0 {
			sameRequest(t, m)
		}
	})
}

// sameTrailer compares the trailer section with what net/http has not thrown
// away, and which is allowed.
func sameTrailer(t *testing.T, f *proxy.Fields, theirs http.Header, head *proxy.Fields) {
	t.Helper()
	ours := http.Header{}
	for i := 0; f != nil && i < f.Len(); i++ {
		if f.Live(i) {
			ours.Add(string(f.Name(i)), string(f.Value(i)))
		}
	}
	theirs = theirs.Clone()
	maps.DeleteFunc(theirs, func(name string, values []string) bool {
		return values == nil || !mayTrail([]byte(name)) || nominated(head, []byte(name))
	})
	if !same(ours, theirs) {
		t.Errorf("trailers\n%q, of net/http\n%q", ours, theirs)
	}
}

// sameRest compares body and what comes after it.
func sameRest(t *testing.T, raw []byte, m *message, body io.Reader, br *bufio.Reader) {
	t.Helper()
	theirs, err := io.ReadAll(body)
	if err != nil || string(theirs) != m.body {
		t.Errorf("body %q, of net/http %q, %v", m.body, theirs, err)
	}
	rest, err := io.ReadAll(br)
	if err != nil || !bytes.Equal(rest, raw[m.n:]) {
		t.Errorf("what follows is %q, for net/http %q", raw[m.n:], rest)
	}
}

func FuzzResponse(f *testing.F) {
	for _, raw := range []string{
		"HTTP/1.1 200 OK\nContent-Length: 5\n\nhelloHTTP",
		"HTTP/1.1 200\nTransfer-Encoding: chunked\nTrailer: X\n\n5;a=b\nhello\n0\nX: y\n\nHTTP",
		"HTTP/1.0 200 OK\nConnection: keep-alive\n\nhello",
		"HTTP/1.1 204 No Content\nContent-Length: 0\n\nHTTP",
		"HTTP/1.1 304 Not Modified\nContent-Length: 5\n\nHTTP",
		"HTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP",
		"HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: websocket\n\n\x81",
		"HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5\n\nhello",
		"HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n",
	} {
		f.Add(crlf(raw), false)
		f.Add(crlf(raw), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, head bool) {
		method := proxy.MethodGet
		if head {
			method = proxy.MethodHead
		}
		m, err := readResponse(raw, method)
		if errors.Is(err, errCut) {
			return
		}
		if err != nil {
			if status(t, err) == 0 {
				t.Error(err)
			}
			return
		}
		r := &m.x.Response
		if announcesFraming(&r.Fields) {
			return
		}
		br := bufio.NewReaderSize(bytes.NewReader(raw), fuzzBuffer)
		theirs, err := http.ReadResponse(br, &http.Request{Method: method.String()})
		if err != nil {
			t.Fatalf("net/http: %v", err)
		}
		if theirs.StatusCode != r.Status {
			t.Errorf("status %d, of net/http %d", r.Status, theirs.StatusCode)
		}
		if ours, want := header(&r.Fields), ordinary(theirs.Header); !same(ours, want) {
			t.Errorf("fields\n%q, of net/http\n%q", ours, want)
		}
		if theirs.Close && !m.fr.close && r.Status >= 200 {
			t.Error("net/http closes")
		}
		if r.Status == http.StatusSwitchingProtocols {
			return // net/http gives the rest as a body
		}
		sameRest(t, raw, m, theirs.Body, br)
		sameTrailer(t, m.trailer, theirs.Trailer, &r.Fields)
	})
}

func FuzzChunked(f *testing.F) {
	for _, raw := range []string{
		"0\n\n", "5\nhello\n0\n\n", "5;a=\"b\\\"\" ; c = d\nhello\n00;e\nX: y\nContent-Length: 5\n\nrest", "a\n0123456789\n1\n.\n0\n\n",
		"5 \nhello\n0\n\n", "0x5\nhello\n0\n\n", "5\nhelloX\n0\n\n", "5␊hello\n0\n\n", "ffffffffffffffff\n", "1;a␊\nx\n0\n\n",
	} {
		f.Add(crlf(raw), uint8(1))
		f.Add(crlf(raw), uint8(3))
	}
	f.Fuzz(func(t *testing.T, raw []byte, size uint8) {
		var whole, pieces chunks
		whole.reset(nil)
		body, n, err := decode(&whole, raw, len(raw)+1)
		pieces.reset(nil)
		if b, m, e := decode(&pieces, raw, int(size)+1); b != body || !errors.Is(e, err) || (err == nil && (m != n || lines(pieces.Trailer()) != lines(whole.Trailer()))) {
			t.Fatalf("in pieces: %q, %d bytes, %v; at once: %q, %d bytes, %v", b, m, e, body, n, err)
		}
		if err != nil {
			return
		}
		br := bufio.NewReaderSize(io.MultiReader(strings.NewReader("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), bytes.NewReader(raw)), fuzzBuffer)
		r, e := http.ReadRequest(br)
		if e != nil {
			t.Fatal(e)
		}
		sameRest(t, raw, &message{body: body, n: n}, r.Body, br)

		// What goes on holds the same, and is canonical.
		again := appendLastChunk(appendChunk(nil, []byte(body)), whole.Trailer())
		pieces.reset(nil)
		b, m, e := decode(&pieces, again, len(again))
		if b != body || m != len(again) || e != nil || lines(pieces.Trailer()) != lines(whole.Trailer()) {
			t.Errorf("%q: %q, %d bytes, %v", again, b, m, e)
		}
	})
}

// FuzzHost holds the check of hosts against net/url, which must find nothing
// else in what passes.
func FuzzHost(f *testing.F) {
	for _, h := range []string{"a", "a.b:80", "[::1]:80", "a:", "a@b", "a/b", "[::1", "a%20", "1.2.3.4"} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, h string) {
		if !validHost([]byte(h)) {
			return
		}
		u, err := url.Parse(fmt.Sprintf("http://%s/", h))
		if err != nil || u.Host != h || u.User != nil || u.Path != "/" {
			if strings.HasPrefix(h, "[") { // what brackets hold is no name; any server refuses to dial it
				return
			}
			t.Errorf("%q: %v, %v", h, u, err)
		}
	})
}
