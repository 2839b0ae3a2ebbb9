package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// refusals are request heads that are not passed on. The error says why.
var refusals = []struct {
	section string // of RFC 9112, unless it says otherwise
	name    string
	raw     string
	err     *Error
	status  int
}{
	{"2.2", "bare LF after the request line", "GET / HTTP/1.1␊Host: a\n\n", errBareLF, 400},
	{"2.2", "bare LF after a field", "GET / HTTP/1.1\nHost: a␊\n\n", errBareLF, 400},
	{"2.2", "bare LFs only", "GET / HTTP/1.1␊Host: a␊␊", errBareLF, 400},
	{"2.2", "bare LF inside a value", "GET / HTTP/1.1\nHost: a\nX: a␊b\n\n", errBareLF, 400},
	{"2.2", "bare LF as the empty line", "GET / HTTP/1.1\nHost: a\n␊\n\n", errBareLF, 400},
	{"2.2", "bare LF in front", "␊GET / HTTP/1.1\nHost: a\n\n", errBareLF, 400},
	{"2.2", "bare CR in a value", "GET / HTTP/1.1\nHost: a\nX: a␍b\n\n", errBareCR, 400},
	{"2.2", "bare CR at the end of a value", "GET / HTTP/1.1\nHost: a\nX: a␍\n\n", errBareCR, 400},
	{"2.2", "bare CR in a name", "GET / HTTP/1.1\nHost: a\nX␍: a\n\n", errBareCR, 400},
	{"2.2", "bare CR in the target", "GET /␍a HTTP/1.1\nHost: a\n\n", errBareCR, 400},
	{"2.2", "bare CR as the line's end", "GET / HTTP/1.1␍Host: a\n\n", errBareCR, 400},
	{"2.2", "bare CR in front", "␍GET / HTTP/1.1\nHost: a\n\n", errBareCR, 400},
	{"2.2", "white space before the first field", "GET / HTTP/1.1\n X: b\nHost: a\n\n", errFold, 400},
	{"2.2", "too many empty lines", "\n\n\n\n\nGET / HTTP/1.1\nHost: a\n\n", errEmptyLines, 400},

	{"2.3", "HTTP/2 preface", "PRI * HTTP/2.0\n\nSM\n\n", errVersionMajor, 505},
	{"2.3", "HTTP/2.0", "GET / HTTP/2.0\nHost: a\n\n", errVersionMajor, 505},
	{"2.3", "HTTP/3.1", "GET / HTTP/3.1\nHost: a\n\n", errVersionMajor, 505},
	{"2.3", "HTTP/1.2", "GET / HTTP/1.2\nHost: a\n\n", errVersion, 400},
	{"2.3", "HTTP/0.9", "GET / HTTP/0.9\nHost: a\n\n", errVersion, 400},
	{"2.3", "HTTP/1.10", "GET / HTTP/1.10\nHost: a\n\n", errVersion, 400},
	{"2.3", "HTTP/01.1", "GET / HTTP/01.1\nHost: a\n\n", errVersion, 400},
	{"2.3", "HTTP/1", "GET / HTTP/1\nHost: a\n\n", errVersion, 400},
	{"2.3", "HTTP/2", "GET / HTTP/2\nHost: a\n\n", errVersion, 400},
	{"2.3", "no version", "GET /\nHost: a\n\n", errVersion, 400},
	{"2.3", "no version and nothing else", "GET /\n\n", errVersion, 400},
	{"2.3", "lower-case version", "GET / http/1.1\nHost: a\n\n", errVersion, 400},
	{"2.3", "another protocol", "GET / HTPP/1.1\nHost: a\n\n", errVersion, 400},
	{"3", "space behind the version", "GET / HTTP/1.1 \nHost: a\n\n", errVersion, 400},
	{"3", "two spaces before the version", "GET /  HTTP/1.1\nHost: a\n\n", errVersion, 400},
	{"3", "two spaces before the target", "GET  / HTTP/1.1\nHost: a\n\n", errVersion, 400},
	{"3", "tab before the target", "GET\t/ HTTP/1.1\nHost: a\n\n", errMethod, 400},
	{"3", "tab before the version", "GET /\tHTTP/1.1\nHost: a\n\n", errTargetOctet, 400},
	{"3", "space in front", " GET / HTTP/1.1\nHost: a\n\n", errMethod, 400},
	{"3", "a second target", "GET /a /b HTTP/1.1\nHost: a\n\n", errVersion, 400},
	{"3.1", "method that is no token", "G@T / HTTP/1.1\nHost: a\n\n", errMethod, 400},
	{"3.1", "empty method", " / HTTP/1.1\nHost: a\n\n", errMethod, 400},
	{"3.1", "TLS on a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01", errMethod, 400},
	{"3.2", "fragment", "GET /a#b HTTP/1.1\nHost: a\n\n", errFragment, 400},
	{"3.2", "octet above 0x7F", "GET /\xc3\xa4 HTTP/1.1\nHost: a\n\n", errTargetOctet, 400},
	{"3.2", "NUL in the target", "GET /\x00 HTTP/1.1\nHost: a\n\n", errTargetOctet, 400},
	{"3.2", "DEL in the target", "GET /a\x7f HTTP/1.1\nHost: a\n\n", errTargetOctet, 400},
	{"3.2", "no target", "GET  HTTP/1.1\nHost: a\n\n", errTarget, 400},
	{"3.2", "no slash in front", "GET a/b HTTP/1.1\nHost: a\n\n", errTarget, 400},
	{"3.2", "only a query", "GET ?a HTTP/1.1\nHost: a\n\n", errTarget, 400},
	{"3.2", "no Host", "GET / HTTP/1.1\nX: a\n\n", errHostMissing, 400},
	{"3.2", "no field at all", "GET / HTTP/1.1\n\n", errHostMissing, 400},
	{"3.2", "two Hosts", "GET / HTTP/1.1\nHost: a\nX: b\nHost: b\n\n", errHostRepeated, 400},
	{"3.2", "the same Host twice", "GET / HTTP/1.1\nHost: a\nhOST: a\n\n", errHostRepeated, 400},
	{"3.2", "two Hosts in HTTP/1.0", "GET / HTTP/1.0\nHost: a\nHost: b\n\n", errHostRepeated, 400},
	{"3.2", "Host list", "GET / HTTP/1.1\nHost: a, b\n\n", errHost, 400},
	{"3.2", "Host with a slash", "GET / HTTP/1.1\nHost: a/b\n\n", errHost, 400},
	{"3.2", "Host with user information", "GET / HTTP/1.1\nHost: u@a\n\n", errHost, 400},
	{"3.2", "Host with an escape", "GET / HTTP/1.1\nHost: a%2eb\n\n", errHost, 400},
	{"3.2", "Host with a space", "GET / HTTP/1.1\nHost: a b\n\n", errHost, 400},
	{"3.2", "Host with a bad port", "GET / HTTP/1.1\nHost: a:8o\n\n", errHost, 400},
	{"3.2", "Host with a port beyond all", "GET / HTTP/1.1\nHost: a:65536\n\n", errHost, 400},
	{"3.2", "Host with two ports", "GET / HTTP/1.1\nHost: a:80:80\n\n", errHost, 400},
	{"3.2", "Host without end of the address", "GET / HTTP/1.1\nHost: [::1\n\n", errHost, 400},
	{"3.2", "Host with letters behind the address", "GET / HTTP/1.1\nHost: [::1]a\n\n", errHost, 400},
	{"3.2", "Host with a zone", "GET / HTTP/1.1\nHost: [fe80::1%25eth0]\n\n", errHost, 400},
	{"RFC 9110 4.2.1", "empty Host", "GET / HTTP/1.1\nHost:\n\n", errHost, 400},
	{"3.2.2", "user information in the target", "GET http://u:p@a/ HTTP/1.1\nHost: a\n\n", errUserinfo, 400},
	{"3.2.2", "empty authority", "GET http:///a HTTP/1.1\nHost: a\n\n", errHost, 400},
	{"3.2.2", "bad authority", "GET http://a,b/ HTTP/1.1\nHost: a\n\n", errHost, 400},
	{"3.2.2", "foreign scheme", "GET ftp://a/ HTTP/1.1\nHost: a\n\n", errScheme, 400},
	{"3.2.2", "absolute-form with a bad Host", "GET http://a/ HTTP/1.1\nHost: b c\n\n", errHost, 400},
	{"3.2.2", "absolute-form without Host", "GET http://a/ HTTP/1.1\n\n", errHostMissing, 400},
	{"3.2.2", "backslash in the authority", "GET http://a\\b/ HTTP/1.1\nHost: a\n\n", errHost, 400},
	{"3.2.3", "authority-form for GET", "GET a:80 HTTP/1.1\nHost: a\n\n", errAuthorityForm, 400},
	{"3.2.3", "CONNECT with a path", "CONNECT / HTTP/1.1\nHost: a\n\n", errConnectForm, 400},
	{"3.2.3", "CONNECT without a port", "CONNECT a HTTP/1.1\nHost: a\n\n", errConnectForm, 400},
	{"3.2.3", "CONNECT with an empty port", "CONNECT a: HTTP/1.1\nHost: a\n\n", errConnectForm, 400},
	{"3.2.3", "CONNECT to an address without a port", "CONNECT [::1] HTTP/1.1\nHost: a\n\n", errConnectForm, 400},
	{"3.2.3", "CONNECT with user information", "CONNECT u@a:80 HTTP/1.1\nHost: a\n\n", errConnectForm, 400},
	{"3.2.3", "CONNECT with an absolute-form", "CONNECT http://a:80/ HTTP/1.1\nHost: a\n\n", errConnectForm, 400},
	{"3.2.4", "asterisk for GET", "GET * HTTP/1.1\nHost: a\n\n", errAsteriskForm, 400},
	{"3.2.4", "asterisk and more", "OPTIONS *a HTTP/1.1\nHost: a\n\n", errTarget, 400},

	{"5", "line without colon", "GET / HTTP/1.1\nHost: a\nX\n\n", errNoColon, 400},
	{"5", "empty name", "GET / HTTP/1.1\nHost: a\n: b\n\n", errEmptyName, 400},
	{"5.1", "space before the colon", "GET / HTTP/1.1\nHost: a\nX : b\n\n", errSpaceColon, 400},
	{"5.1", "tab before the colon", "GET / HTTP/1.1\nHost: a\nX\t: b\n\n", errSpaceColon, 400},
	{"5.1", "space inside a name", "GET / HTTP/1.1\nHost: a\nX Y: b\n\n", errSpaceColon, 400},
	{"5.1", "name that is no token", "GET / HTTP/1.1\nHost: a\nX(): b\n\n", errFieldName, 400},
	{"5.1", "name with an octet above 0x7F", "GET / HTTP/1.1\nHost: a\nX\xe4: b\n\n", errFieldName, 400},
	{"5.1", "name with NUL", "GET / HTTP/1.1\nHost: a\nX\x00: b\n\n", errFieldName, 400},
	{"5.2", "folded value", "GET / HTTP/1.1\nHost: a\nX: b\n c\n\n", errFold, 400},
	{"5.2", "folded value by tab", "GET / HTTP/1.1\nHost: a\nX: b\n\tc\n\n", errFold, 400},
	{"5.2", "folded into nothing", "GET / HTTP/1.1\nHost: a\nX: b\n \n\n", errFold, 400},
	{"RFC 9110 5.5", "NUL in a value", "GET / HTTP/1.1\nHost: a\nX: a\x00b\n\n", errControl, 400},
	{"RFC 9110 5.5", "control in a value", "GET / HTTP/1.1\nHost: a\nX: abcdefgh\x0bijkl\n\n", errControl, 400},
	{"RFC 9110 5.5", "DEL in a value", "GET / HTTP/1.1\nHost: a\nX: abcdefghi\x7f\n\n", errControl, 400},
	{"RFC 9110 5.4", "too many fields", "GET / HTTP/1.1\nHost: a\n" + strings.Repeat("X: b\n", proxy.MaxFields) + "\n", errTooManyFields, 431},
	{"RFC 9110 5.4", "a name beyond all", "GET / HTTP/1.1\nHost: a\n" + strings.Repeat("X", proxy.MaxFieldName) + ": b\n\n", errHeadTooLarge, 431},
	{"RFC 9110 5.4", "a head beyond all", "GET / HTTP/1.1\nHost: a\nX: " + strings.Repeat("x", 64<<10) + "\n\n", errHeadTooLarge, 431},
	{"RFC 9110 7.6.1", "Connection that names everything", "GET / HTTP/1.1\nHost: a\nConnection: " + strings.Repeat("x,", proxy.MaxFields+1) + "\n\n", errNominations, 400},

	{"6.1", "Content-Length and Transfer-Encoding", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked\n\n", errLengthAndCoded, 400},
	{"6.1", "Transfer-Encoding and Content-Length", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 5\n\n", errLengthAndCoded, 400},
	{"6.1", "chunked in HTTP/1.0", "POST / HTTP/1.0\nHost: a\nTransfer-Encoding: chunked\n\n", errCodingVersion, 400},
	{"6.1", "unknown coding", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip\n\n", errCodingUnknown, 501},
	{"6.1", "unknown coding before chunked", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip, chunked\n\n", errCodingUnknown, 501},
	{"6.1", "unknown coding on a line before", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip\nTransfer-Encoding: chunked\n\n", errCodingUnknown, 501},
	{"6.1", "identity", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: identity\n\n", errCodingUnknown, 501},
	{"6.1", "nearly chunked", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked\n\n", errCodingUnknown, 501},
	{"6.1", "chunked twice", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked, chunked\n\n", errCoding, 400},
	{"6.1", "chunked on two lines", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n", errCoding, 400},
	{"6.1", "coding with parameters", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked;a=b\n\n", errCoding, 400},
	{"6.1", "quoted coding", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: \"chunked\"\n\n", errCoding, 400},
	{"6.1", "empty coding", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding:\n\n", errCoding, 400},
	{"6.1", "empty element", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked,\n\n", errCoding, 400},
	{"6.1", "empty element in front", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: ,chunked\n\n", errCoding, 400},
	{"6.3", "chunked not final", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked, gzip\n\n", errCoding, 400},
	{"6.3", "chunked not final, on two lines", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n", errCoding, 400},
	{"6.3", "differing lengths", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 6\n\n", errLengthRepeated, 400},
	{"6.3", "equal lengths", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 5\n\n", errLengthRepeated, 400},
	{"6.3", "listed lengths", "POST / HTTP/1.1\nHost: a\nContent-Length: 5, 5\n\n", errLength, 400},
	{"6.3", "negative length", "POST / HTTP/1.1\nHost: a\nContent-Length: -5\n\n", errLength, 400},
	{"6.3", "signed length", "POST / HTTP/1.1\nHost: a\nContent-Length: +5\n\n", errLength, 400},
	{"6.3", "hexadecimal length", "POST / HTTP/1.1\nHost: a\nContent-Length: 0x5\n\n", errLength, 400},
	{"6.3", "length with a point", "POST / HTTP/1.1\nHost: a\nContent-Length: 5.0\n\n", errLength, 400},
	{"6.3", "length with a space", "POST / HTTP/1.1\nHost: a\nContent-Length: 5 0\n\n", errLength, 400},
	{"6.3", "length in other digits", "POST / HTTP/1.1\nHost: a\nContent-Length: \xd9\xa5\n\n", errLength, 400},
	{"6.3", "empty length", "POST / HTTP/1.1\nHost: a\nContent-Length:\n\n", errLength, 400},
	{"6.3", "length beyond all", "POST / HTTP/1.1\nHost: a\nContent-Length: 9223372036854775808\n\n", errLengthTooLarge, 413},
	{"6.3", "length that wraps around", "POST / HTTP/1.1\nHost: a\nContent-Length: 18446744073709551621\n\n", errLengthTooLarge, 413},
	{"6.3", "length with leading zeros without end", "POST / HTTP/1.1\nHost: a\nContent-Length: 00000000000000000005\n\n", errLengthTooLarge, 413},
}

func TestRequestRefused(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.section+" "+c.name, func(t *testing.T) {
			_, err := readRequest(crlf(c.raw))
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if got := status(t, err); got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
		})
	}
}

// accepted are requests that pass, with what they mean.
var accepted = []struct {
	section string
	name    string
	raw     string
	target  string // path, "?" and query, as they go on
	host    string
	fields  string // those that go on
	body    string
	fr      framing
}{
	{"2.2", "empty lines in front", "\n\nGET / HTTP/1.1\nHost: a\n\n", "/", "a", "", "", framing{}},
	{"2.3", "HTTP/1.0", "GET / HTTP/1.0\nHost: a\n\n", "/", "a", "", "", framing{close: true}},
	{"3.2", "HTTP/1.0 without Host", "GET / HTTP/1.0\n\n", "/", "", "", "", framing{close: true}},
	{"3.1", "a method of one's own", "pr0p!find / HTTP/1.1\nHost: a\n\n", "/", "a", "", "", framing{}},
	{"3.2.1", "query", "GET /a/b?c=d?e&%zz HTTP/1.1\nHost: a\n\n", "/a/b?c=d?e&%zz", "a", "", "", framing{}},
	{"3.2.1", "empty query", "GET /a? HTTP/1.1\nHost: a\n\n", "/a?", "a", "", "", framing{}},
	{"3.2.1", "what browsers leave bare", "GET /a|b?c={d}^\"`\\ HTTP/1.1\nHost: a\n\n", "/a|b?c={d}^\"`\\", "a", "", "", framing{}},
	{"3.2.1", "two slashes", "GET //b/c HTTP/1.1\nHost: a\n\n", "//b/c", "a", "", "", framing{}},
	{"3.2", "Host with port", "GET / HTTP/1.1\nHost: a.example-1_x~:8080\n\n", "/", "a.example-1_x~:8080", "", "", framing{}},
	{"3.2", "Host with an empty port", "GET / HTTP/1.1\nHost: a:\n\n", "/", "a:", "", "", framing{}},
	{"3.2", "Host as an address", "GET / HTTP/1.1\nHost: [2001:db8::1.2.3.4]:80\n\n", "/", "[2001:db8::1.2.3.4]:80", "", "", framing{}},
	{"3.2.2", "absolute-form", "GET http://b:81/c?d HTTP/1.1\nHost: a\n\n", "/c?d", "b:81", "", "", framing{}},
	{"3.2.2", "absolute-form in capitals", "GET HTTPS://B HTTP/1.1\nHost: a\n\n", "/", "B", "", "", framing{}},
	{"3.2.2", "absolute-form without path", "GET http://b?c HTTP/1.1\nHost: a\n\n", "/?c", "b", "", "", framing{}},
	{"3.2.2", "absolute-form without Host in HTTP/1.0", "GET http://b/ HTTP/1.0\n\n", "/", "b", "", "", framing{close: true}},
	{"3.2.3", "authority-form", "CONNECT a:443 HTTP/1.1\nHost: b\n\n", "a:443", "a:443", "", "", framing{close: true}},
	{"3.2.4", "asterisk-form", "OPTIONS * HTTP/1.1\nHost: a\n\n", "*", "a", "", "", framing{}},
	{"3.2.4", "absolute-form for the whole server", "OPTIONS http://b HTTP/1.1\nHost: a\n\n", "*", "b", "", "", framing{}},
	{"3.2.4", "absolute-form with a query", "OPTIONS http://b?c HTTP/1.1\nHost: a\n\n", "/?c", "b", "", "", framing{}},

	{"5", "white space around values", "GET / HTTP/1.1\nHost:a\nX:b\nY: \t c d \t \nZ:\t\nW: \n\n", "/", "a", "X=b;Y=c d;Z=;W=;", "", framing{}},
	{"RFC 9110 5.5", "tabs and octets above 0x7F in values", "GET / HTTP/1.1\nHost: a\nX: a\tb\xff\xc3\xa4\t0123456789\n\n", "/", "a", "X=a\tb\xff\xc3\xa4\t0123456789;", "", framing{}},
	{"RFC 9110 5.6.2", "every octet of a token", "GET / HTTP/1.1\nHost: a\n!#$%&'*+-.^_`|~09azAZ: b\n\n", "/", "a", "!#$%&'*+-.^_`|~09azAZ=b;", "", framing{}},

	{"6.2", "length", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello", "/", "a", "", "hello", framing{end: byLength, length: 5}},
	{"6.2", "length with leading zeros", "POST / HTTP/1.1\nHost: a\nContent-Length: 005\n\nhello", "/", "a", "", "hello", framing{end: byLength, length: 5}},
	{"6.2", "no length at all", "POST / HTTP/1.1\nHost: a\nContent-Length: 0\n\n", "/", "a", "", "", framing{}},
	{"6.3", "no framing", "POST / HTTP/1.1\nHost: a\n\n", "/", "a", "", "", framing{}},
	{"6.2", "length in HTTP/1.0", "POST / HTTP/1.0\nHost: a\nContent-Length: 5\n\nhello", "/", "a", "", "hello", framing{end: byLength, length: 5, close: true}},
	{"6.1", "chunked", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n", "/", "a", "", "hello", framing{end: byChunks}},
	{"6.1", "Chunked", "POST / HTTP/1.1\nHost: a\ntransfer-encoding: \t cHuNkEd \n\n5\nhello\n0\n\n", "/", "a", "", "hello", framing{end: byChunks}},
	{"6.1", "a field that only looks alike", "POST / HTTP/1.1\nHost: a\nTransfer_Encoding: chunked\nContent-Length: 5\n\nhello", "/", "a", "Transfer_Encoding=chunked;", "hello", framing{end: byLength, length: 5}},

	{"9.3", "close", "GET / HTTP/1.1\nHost: a\nConnection: Close\n\n", "/", "a", "", "", framing{close: true}},
	{"9.3", "close among others", "GET / HTTP/1.1\nHost: a\nConnection: x, , close\n\n", "/", "a", "", "", framing{close: true}},
	{"9.3", "keep-alive", "GET / HTTP/1.0\nHost: a\nConnection: Keep-Alive\n\n", "/", "a", "", "", framing{}},
	{"9.3", "close wins", "GET / HTTP/1.0\nHost: a\nConnection: keep-alive\nConnection: close\n\n", "/", "a", "", "", framing{close: true}},
	{"9.6", "Keep-Alive and Proxy-Connection", "GET / HTTP/1.1\nHost: a\nKeep-Alive: timeout=5\nProxy-Connection: close\n\n", "/", "a", "", "", framing{}},
	{"RFC 9110 7.6.1", "nominated fields", "GET / HTTP/1.1\nHost: a\nX-A: 1\nConnection: x-a, Y\nY: 2\nZ: 3\nx-A: 4\n\n", "/", "a", "Z=3;", "", framing{}},
	{"RFC 9110 7.6.1", "what can't be nominated", "POST / HTTP/1.1\nHost: a\nAuthorization: b\nContent-Type: c\nCookie: d\nContent-Length: 5\nConnection: host, authorization, content-type, cookie, content-length, x-forwarded-for\n\nhello", "/", "a", "Authorization=b;Content-Type=c;Cookie=d;", "hello", framing{end: byLength, length: 5}},
	{"RFC 9110 7.6.1", "chunked that is nominated", "POST / HTTP/1.1\nHost: a\nConnection: transfer-encoding\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n", "/", "a", "", "hello", framing{end: byChunks}},

	{"RFC 9110 7.8", "h2c", "GET / HTTP/1.1\nHost: a\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\n\n", "/", "a", "", "", framing{}},
	{"RFC 9110 7.8", "WebSocket", "GET /ws HTTP/1.1\nHost: a\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket\nSec-WebSocket-Key: b\n\n", "/ws", "a", "Sec-WebSocket-Key=b;", "", framing{upgrade: true}},
	{"RFC 9110 7.8", "WebSocket among others", "GET /ws HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: h2c, websocket\n\n", "/ws", "a", "", "", framing{upgrade: true}},
	{"RFC 9110 7.8", "Upgrade without Connection", "GET /ws HTTP/1.1\nHost: a\nUpgrade: websocket\n\n", "/ws", "a", "", "", framing{}},
	{"RFC 9110 7.8", "Upgrade in HTTP/1.0", "GET /ws HTTP/1.0\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n", "/ws", "a", "", "", framing{close: true}},
	{"RFC 6455 4.1", "WebSocket by POST", "POST /ws HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n", "/ws", "a", "", "", framing{}},
	{"RFC 6455 4.1", "WebSocket with a body", "GET /ws HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\nContent-Length: 5\n\nhello", "/ws", "a", "", "hello", framing{end: byLength, length: 5}},

	{"RFC 9110 10.1.1", "expectation", "POST / HTTP/1.1\nHost: a\nExpect: 100-Continue\nContent-Length: 5\n\nhello", "/", "a", "", "hello", framing{end: byLength, length: 5, expect: true}},
	{"RFC 9110 10.1.1", "expectation without a body", "POST / HTTP/1.1\nHost: a\nExpect: 100-continue\n\n", "/", "a", "", "", framing{}},
	{"RFC 9110 10.1.1", "expectation in HTTP/1.0", "POST / HTTP/1.0\nHost: a\nExpect: 100-continue\nContent-Length: 5\n\nhello", "/", "a", "", "hello", framing{end: byLength, length: 5, close: true}},
}

func TestRequestAccepted(t *testing.T) {
	for _, c := range accepted {
		t.Run(c.section+" "+c.name, func(t *testing.T) {
			raw := append(crlf(c.raw), "GET /next"...)
			m, err := readRequest(raw)
			if err != nil {
				t.Fatal(err)
			}
			q := &m.x.Request
			target := string(q.Path)
			if q.HasQuery {
				target += "?" + string(q.Query)
			}
			if target != c.target || string(q.Host) != c.host || lines(&q.Fields) != c.fields || m.body != c.body {
				t.Errorf("target %q host %q fields %q body %q", target, q.Host, lines(&q.Fields), m.body)
			}
			if string(q.Fields.Get(proxy.Host)) != c.host {
				t.Errorf("Host field %q", q.Fields.Get(proxy.Host))
			}
			if m.fr != c.fr {
				t.Errorf("framing %+v, want %+v", m.fr, c.fr)
			}
			if rest := string(raw[m.n:]); rest != "GET /next" {
				t.Errorf("the next request begins at %q", rest)
			}
			if q.WebSocket != c.fr.upgrade {
				t.Errorf("WebSocket is %v", q.WebSocket)
			}
			if length := map[delimiter]int64{byLength: c.fr.length, byChunks: proxy.Unknown}[c.fr.end]; q.Length != length {
				t.Errorf("length %d, want %d", q.Length, length)
			}
		})
	}
}

// TestRequestLineParts looks at what the table above does not show.
func TestRequestLineParts(t *testing.T) {
	m, err := readRequest(crlf("HEAD http://b/c?d HTTP/1.1\nHost: a\nX: y\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	q := &m.x.Request
	if string(q.Method) != "HEAD" || q.Verb != proxy.MethodHead || string(q.Target) != "http://b/c?d" || q.Protocol != proxy.HTTP11 {
		t.Errorf("method %q (%v) target %q version %v", q.Method, q.Verb, q.Target, q.Protocol)
	}
	if n := q.Fields.Next(proxy.Host, 0); n < 0 || q.Fields.Next(proxy.Host, n+1) >= 0 {
		t.Error("there must be one Host, the target's")
	}
}

// TestRequestIsReadAgain shows that nothing of one request is left in the next.
func TestRequestIsReadAgain(t *testing.T) {
	var q proxy.Request
	var fr framing
	first := crlf("GET http://b/c?d HTTP/1.0\nHost: a\nX: y\nConnection: keep-alive, upgrade\nUpgrade: websocket\nContent-Length: 5\n\n")
	second := crlf("PUT /e HTTP/1.1\nHost: f\n\n")
	for range 2 {
		if _, err := parseRequest(first, &q, &fr); err != nil {
			t.Fatal(err)
		}
		if _, err := parseRequest(second, &q, &fr); err != nil {
			t.Fatal(err)
		}
		if fr != (framing{}) || q.Length != 0 || q.HasQuery || len(q.Query) > 0 || string(q.Path) != "/e" || string(q.Host) != "f" ||
			q.Verb != proxy.MethodPut || q.Protocol != proxy.HTTP11 || lines(&q.Fields) != "" || q.WebSocket {
			t.Errorf("%+v %q %q %q", fr, q.Path, q.Host, lines(&q.Fields))
		}
	}
}
