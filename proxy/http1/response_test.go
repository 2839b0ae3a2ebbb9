package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

func TestResponseRefused(t *testing.T) {
	for _, c := range []struct {
		section string // of RFC 9112, unless it says otherwise
		name    string
		raw     string
		err     *Error
	}{
		{"2.2", "bare LF after the status line", "HTTP/1.1 200 OK␊X: a\n\n", errBareLF},
		{"2.2", "bare LF after a field", "HTTP/1.1 200 OK\nX: a␊\n\n", errBareLF},
		{"2.2", "bare CR in the reason", "HTTP/1.1 200 O␍K\n\n", errBareCR},
		{"2.2", "an empty line in front", "\nHTTP/1.1 200 OK\n\n", errStatusLine},
		{"2.3", "HTTP/2.0", "HTTP/2.0 200 OK\n\n", errStatusLine},
		{"2.3", "HTTP/1.2", "HTTP/1.2 200 OK\n\n", errStatusLine},
		{"2.3", "ICY", "ICY 200 OK\nX: a\n\n", errStatusLine},
		{"2.3", "no status line", "X: a\nY: bbbbbbbbbbbbbbbbb\n\n", errStatusLine},
		{"4", "two digits", "HTTP/1.1 20 OK\n\n", errStatusLine},
		{"4", "four digits", "HTTP/1.1 2000 OK\n\n", errStatusLine},
		{"4", "signed status", "HTTP/1.1 +20 OK\n\n", errStatusLine},
		{"4", "two spaces", "HTTP/1.1  200 OK\n\n", errStatusLine},
		{"RFC 9110 15", "status below all", "HTTP/1.1 099 OK\n\n", errStatusLine},
		{"RFC 9110 15", "status beyond all", "HTTP/1.1 600 OK\n\n", errStatusLine},
		{"4", "NUL in the reason", "HTTP/1.1 200 O\x00K\n\n", errControl},
		{"5.1", "space before the colon", "HTTP/1.1 200 OK\nContent-Length : 5\n\nhello", errSpaceColon},
		{"5.2", "folded value", "HTTP/1.1 200 OK\nX: a\n b\n\n", errFold},
		{"6.1", "Content-Length and Transfer-Encoding", "HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n", errLengthAndCoded},
		{"6.1", "both, to HEAD or not", "HTTP/1.1 304 OK\nContent-Length: 5\nTransfer-Encoding: chunked\n\n", errLengthAndCoded},
		{"6.1", "chunked in HTTP/1.0", "HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n0\n\n", errCodingVersion},
		{"6.1", "unknown coding", "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n0\n\n", errCodingUnknown},
		{"6.3", "chunked not final", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked, gzip\n\n", errCoding},
		{"6.3", "equal lengths", "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5\n\nhello", errLengthRepeated},
		{"6.3", "listed lengths", "HTTP/1.1 200 OK\nContent-Length: 5,5\n\nhello", errLength},
		{"6.3", "length beyond all", "HTTP/1.1 200 OK\nContent-Length: 99999999999999999999\n\n", errLengthTooLarge},
		{"6.3", "informational with a length", "HTTP/1.1 103 Early Hints\nContent-Length: 5\n\nhello", errInterimBody},
		{"6.3", "informational and chunked", "HTTP/1.1 100 Continue\nTransfer-Encoding: chunked\n\n0\n\n", errInterimBody},
		{"RFC 9110 7.8", "101 to nothing", "HTTP/1.1 101 Switching Protocols\n\n", errSwitch},
		{"RFC 9110 7.8", "101 to h2c", "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: h2c\n\n", errSwitch},
		{"RFC 9110 7.8", "101 without Connection", "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n", errSwitch},
		{"RFC 9110 5.4", "too many fields", "HTTP/1.1 200 OK\n" + strings.Repeat("X: b\n", proxy.MaxFields+1) + "\n", errTooManyFields},
		{"RFC 9110 7.6.1", "Connection that names everything", "HTTP/1.1 200 OK\nConnection: " + strings.Repeat("x,", proxy.MaxFields+1) + "\n\n", errNominations},
	} {
		t.Run(c.section+" "+c.name, func(t *testing.T) {
			if _, err := readResponse(crlf(c.raw), proxy.MethodGet); !errors.Is(err, c.err) {
				t.Errorf("got %v, want %v", err, c.err)
			}
		})
	}
}

func TestResponseAccepted(t *testing.T) {
	const get, head = proxy.MethodGet, proxy.MethodHead
	for _, c := range []struct {
		section string
		name    string
		method  proxy.Method
		raw     string
		status  int
		length  int64 // for the pipeline
		fields  string
		body    string
		rest    string
		fr      framing
	}{
		{"4", "no reason", get, "HTTP/1.1 200 \nContent-Length: 5\n\nhelloHTTP", 200, 5, "", "hello", "HTTP", framing{end: byLength, length: 5}},
		{"4", "no space before no reason", get, "HTTP/1.1 200\nContent-Length: 5\n\nhelloHTTP", 200, 5, "", "hello", "HTTP", framing{end: byLength, length: 5}},
		{"4", "any reason", get, "HTTP/1.1 299 \tA\xc3\xa4 b, c: d\nContent-Length: 0\n\nHTTP", 299, 0, "", "", "HTTP", framing{}},
		{"6.3 rule 1", "HEAD with a length", head, "HTTP/1.1 200 OK\nContent-Length: 5\n\nHTTP", 200, 5, "", "", "HTTP", framing{}},
		{"6.3 rule 1", "HEAD with chunks", head, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nHTTP", 200, proxy.Unknown, "", "", "HTTP", framing{}},
		{"6.3 rule 1", "HEAD with neither", head, "HTTP/1.1 200 OK\n\nHTTP", 200, proxy.Unknown, "", "", "HTTP", framing{}},
		{"6.3 rule 1", "204", get, "HTTP/1.1 204 No Content\n\nHTTP", 204, 0, "", "", "HTTP", framing{}},
		{"6.3 rule 1", "204 with no length", get, "HTTP/1.1 204 No Content\nContent-Length: 0\n\nHTTP", 204, 0, "", "", "HTTP", framing{}},
		{"6.3 rule 1", "204 with a length", get, "HTTP/1.1 204 No Content\nContent-Length: 5\n\nHTTP", 204, 0, "", "", "HTTP", framing{close: true}},
		{"6.3 rule 1", "204 with chunks", get, "HTTP/1.1 204 No Content\nTransfer-Encoding: chunked\n\nHTTP", 204, 0, "", "", "HTTP", framing{close: true}},
		{"6.3 rule 1", "304 with a length", get, "HTTP/1.1 304 Not Modified\nContent-Length: 5\nETag: \"a\"\n\nHTTP", 304, 5, "ETag=\"a\";", "", "HTTP", framing{}},
		{"6.3 rule 1", "100", get, "HTTP/1.1 100 Continue\n\nHTTP", 100, 0, "", "", "HTTP", framing{}},
		{"6.3 rule 1", "103", get, "HTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP", 103, 0, "Link=</a>;", "", "HTTP", framing{}},
		{"RFC 6455 4.2.2", "101", get, "HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: WebSocket\nSec-WebSocket-Accept: b\n\n\x81", 101, 0, "Sec-WebSocket-Accept=b;", "", "\x81", framing{upgrade: true}},
		{"6.3 rule 2", "CONNECT", proxy.MethodConnect, "HTTP/1.1 200 OK\nContent-Length: 5\n\nHTTP", 200, 0, "", "", "HTTP", framing{close: true}},
		{"6.3 rule 4", "chunked", get, "HTTP/1.1 200 OK\nTransfer-Encoding: Chunked\n\n5;a=b\nhello\n0\nX-Sum: 1\n\nHTTP", 200, proxy.Unknown, "", "hello", "HTTP", framing{end: byChunks}},
		{"6.3 rule 6", "length", proxy.MethodPost, "HTTP/1.1 500 Oh\nContent-Length: 5\nContent-Type: a\n\nhelloHTTP", 500, 5, "Content-Type=a;", "hello", "HTTP", framing{end: byLength, length: 5}},
		{"6.3 rule 8", "until the end", get, "HTTP/1.1 200 OK\nX: a\n\nhello", 200, proxy.Unknown, "X=a;", "hello", "", framing{end: byClose, close: true}},
		{"6.3 rule 8", "until the end, although kept alive", get, "HTTP/1.0 200 OK\nConnection: keep-alive\n\nhello", 200, proxy.Unknown, "", "hello", "", framing{end: byClose, close: true}},
		{"9.3", "HTTP/1.0", get, "HTTP/1.0 200 OK\nContent-Length: 5\n\nhelloHTTP", 200, 5, "", "hello", "HTTP", framing{end: byLength, length: 5, close: true}},
		{"9.3", "HTTP/1.0 kept alive", get, "HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 5\n\nhelloHTTP", 200, 5, "", "hello", "HTTP", framing{end: byLength, length: 5}},
		{"9.6", "close", get, "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 5\n\nhelloHTTP", 200, 5, "", "hello", "HTTP", framing{end: byLength, length: 5, close: true}},
		{"RFC 9110 7.6.1", "nominated fields", get, "HTTP/1.1 200 OK\nConnection: X-A\nX-A: b\nKeep-Alive: timeout=5\nProxy-Authenticate: c\nHost: d\nX-B: e\nContent-Length: 0\n\nHTTP", 200, 0, "X-B=e;", "", "HTTP", framing{}},
	} {
		t.Run(c.section+" "+c.name, func(t *testing.T) {
			raw := crlf(c.raw)
			m, err := readResponse(raw, c.method)
			if err != nil {
				t.Fatal(err)
			}
			r := &m.x.Response
			if r.Status != c.status || r.Length != c.length || lines(&r.Fields) != c.fields || m.body != c.body {
				t.Errorf("status %d length %d fields %q body %q", r.Status, r.Length, lines(&r.Fields), m.body)
			}
			if m.fr != c.fr {
				t.Errorf("framing %+v, want %+v", m.fr, c.fr)
			}
			if rest := string(raw[m.n:]); rest != c.rest {
				t.Errorf("what follows is %q", rest)
			}
		})
	}
}
