package http1

import (
	"testing"

	"github.com/lictor/lictor/proxy"
)

// TestSmuggling tries the known ways to make two servers disagree about where a
// request ends. Each is either refused, or read in the one way that what is
// passed on can be read, so that the second request can't hide in the first.
func TestSmuggling(t *testing.T) {
	for _, c := range []struct {
		name   string
		raw    string
		status int    // 0: the request passes
		body   string // then this is its body
		rest   string // and this is the next request
	}{
		{name: "CL.TE", raw: "POST / HTTP/1.1\nHost: a\nContent-Length: 6\nTransfer-Encoding: chunked\n\n0\n\nG", status: 400},
		{name: "TE.CL", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 3\n\n1\nG\n0\n\n", status: 400},
		{name: "CL.CL", raw: "POST / HTTP/1.1\nHost: a\nContent-Length: 0\nContent-Length: 5\n\nGET /", status: 400},
		{name: "CL.CL by a list", raw: "POST / HTTP/1.1\nHost: a\nContent-Length: 0,5\n\nGET /", status: 400},
		{name: "CL.0", raw: "POST / HTTP/1.1\nHost: a\nContent-Length: 34\n\nGET /admin HTTP/1.1\nHost: internal\n\n", body: "GET /admin HTTP/1.1\r\nHost: interna", rest: "l\r\n\r\n"},
		{name: "CL.0 on GET", raw: "GET / HTTP/1.1\nHost: a\nContent-Length: 5\n\nGET /", body: "GET /"},
		{name: "0.CL by a space", raw: "POST / HTTP/1.1\nHost: a\nContent-Length : 5\n\nGET /", status: 400},
		{name: "0.CL by a fold", raw: "POST / HTTP/1.1\nHost: a\nContent-Length:\n 5\n\nGET /", status: 400},
		{name: "0.CL by a folded predecessor", raw: "POST / HTTP/1.1\nHost: a\nX: y\n Content-Length: 5\n\nGET /", status: 400},
		{name: "0.CL by a NUL", raw: "POST / HTTP/1.1\nHost: a\nContent-Length\x00: 5\n\nGET /", status: 400},
		{name: "0.CL by a sign", raw: "POST / HTTP/1.1\nHost: a\nContent-Length: +5\n\nGET /", status: 400},
		{name: "CL beyond 64 bits", raw: "POST / HTTP/1.1\nHost: a\nContent-Length: 18446744073709551616\n\nGET /", status: 413},
		{name: "CL that is nominated", raw: "POST / HTTP/1.1\nHost: a\nConnection: Content-Length\nContent-Length: 5\n\nGET /", body: "GET /"},
		{name: "TE.TE xchunked", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked\n\n0\n\n", status: 501},
		{name: "TE.TE space before the colon", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding : chunked\n\n0\n\n", status: 400},
		{name: "TE.TE two lines", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: x\n\n0\n\n", status: 400},
		{name: "TE.TE the other way round", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: x\nTransfer-Encoding: chunked\n\n0\n\n", status: 501},
		{name: "TE.TE tab", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding:\tchunked\n\n0\n\nGET", rest: "GET"},
		{name: "TE.TE vertical tab", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: \x0bchunked\n\n0\n\n", status: 400},
		{name: "TE.TE leading space", raw: "POST / HTTP/1.1\nHost: a\n Transfer-Encoding: chunked\n\n0\n\n", status: 400},
		{name: "TE.TE after a bare LF", raw: "POST / HTTP/1.1\nHost: a\nX: y␊Transfer-Encoding: chunked\n\n0\n\n", status: 400},
		{name: "TE.TE after a bare CR", raw: "POST / HTTP/1.1\nHost: a\nX: y␍Transfer-Encoding: chunked\n\n0\n\n", status: 400},
		{name: "TE.TE folded", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding:\n chunked\n\n0\n\n", status: 400},
		{name: "TE.TE quoted", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: \"chunked\"\n\n0\n\n", status: 400},
		{name: "TE.TE identity, chunked", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: identity, chunked\n\n0\n\n", status: 501},
		{name: "TE.TE capital", raw: "POST / HTTP/1.1\nHost: a\nTrAnSfEr-EnCoDiNg: CHUNKED\n\n0\n\nGET", rest: "GET"},
		{name: "TE.TE an octet above 0x7F", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\xff\n\n0\n\n", status: 400},
		{name: "TE.TE Kelvin sign", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chun\xe2\x84\xaaed\n\n0\n\n", status: 400},
		{name: "TE that is nominated", raw: "POST / HTTP/1.1\nHost: a\nConnection: Transfer-Encoding\nTransfer-Encoding: chunked\n\n5\nGET /\n0\n\n", body: "GET /"},
		{name: "TE in HTTP/1.0", raw: "POST / HTTP/1.0\nHost: a\nTransfer-Encoding: chunked\nConnection: keep-alive\n\n0\n\n", status: 400},
		{name: "TERM.EXT: LF ends the line for us, not for them", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5;␊hello\n0\n\n", status: 400},
		{name: "EXT.TERM: LF in the extension", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n2;␊xx\n47\n0\n\nGET /admin HTTP/1.1\nHost: a\n\n", status: 400},
		{name: "EXT.TERM by CR", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n2;a␍xx\n0\n\n", status: 400},
		{name: "EXT.TERM without an extension", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n2␊xx\n0\n\n", status: 400},
		{name: "SPILL.TERM: data longer than its size", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhelloX\n0\n\n", status: 400},
		{name: "TERM.SPILL: LF after the data", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhello␊0\n\n", status: 400},
		{name: "ONE.TWO: any two octets after the data", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhelloXX0\n\n", status: 400},
		{name: "chunk size beyond 64 bits", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n10000000000000005\nhello\n0\n\n", status: 400},
		{name: "chunk size beyond 63 bits", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n8000000000000005\nhello\n0\n\n", status: 413},
		{name: "chunk size 0x0", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0x0\n\n", status: 400},
		{name: "length in the trailer", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0\nContent-Length: 5\n\nGET /", rest: "GET /"},
		{name: "request in the trailer", raw: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0\nGET /admin HTTP/1.1\n\n", status: 400},
		{name: "two Hosts", raw: "GET / HTTP/1.1\nHost: a\nHost: internal\n\n", status: 400},
		{name: "Host by a space", raw: "GET / HTTP/1.1\nHost: a\n Host: internal\n\n", status: 400},
		{name: "request line in the target", raw: "GET /\tHTTP/1.1\tX: HTTP/1.1\nHost: a\n\n", status: 400},
		{name: "version twice", raw: "GET / HTTP/1.1 HTTP/1.1\nHost: a\n\n", status: 400},
		{name: "h2c upgrade", raw: "GET / HTTP/1.1\nHost: a\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\n\nPRI * HTTP/2.0", rest: "PRI * HTTP/2.0"},
		{name: "h2c without its settings", raw: "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: h2c, websocket2\n\nPRI", rest: "PRI"},
		{name: "WebSocket with a body", raw: "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\nContent-Length: 5\n\nGET /", body: "GET /"},
		{name: "WebSocket of a wrong version is a tunnel only after 101", raw: "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 1337\n\nGET", rest: "GET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := crlf(c.raw)
			m, err := readRequest(raw)
			if got := status(t, err); got != c.status {
				t.Fatalf("status %d (%v), want %d", got, err, c.status)
			}
			if err != nil {
				return
			}
			if m.body != c.body || string(raw[m.n:]) != c.rest {
				t.Errorf("body %q, then %q", m.body, raw[m.n:])
			}
			onlyOurFraming(t, m)
		})
	}
}

// onlyOurFraming writes the request as it goes on, and looks for anything of the
// client's that frames it or addresses it.
func onlyOurFraming(t *testing.T, m *message) {
	t.Helper()
	q := &m.x.Request
	for i := range q.Fields.Len() {
		if !q.Fields.Live(i) {
			continue
		}
		switch q.Fields.ID(i) {
		case proxy.Host, proxy.ContentLength, proxy.TransferEncoding, proxy.Connection, proxy.UpgradeField, proxy.HTTP2Settings, proxy.TE,
			proxy.TrailerField, proxy.KeepAlive, proxy.ProxyConnection, proxy.Expect:
			t.Errorf("%s: %s goes on", q.Fields.Name(i), q.Fields.Value(i))
		}
	}
	if q.WebSocket && m.fr.end != noBody {
		t.Error("a tunnel with a body")
	}
}
