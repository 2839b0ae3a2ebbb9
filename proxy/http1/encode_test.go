package http1

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// TestAppendRequest shows what an instance is sent for what a client has sent.
func TestAppendRequest(t *testing.T) {
	for _, c := range []struct {
		name, in, hostHeader, out string
	}{
		{name: "fields keep their order and bytes, Host is first", in: "GET /a?b HTTP/1.1\nX: 1\nhost: h\ny:2\nZ: 3 \n\n", out: "GET /a?b HTTP/1.1\nHost: h\nX: 1\ny: 2\nZ: 3\n\n"},
		{name: "empty query", in: "GET /a? HTTP/1.1\nHost: h\n\n", out: "GET /a? HTTP/1.1\nHost: h\n\n"},
		{name: "absolute-form", in: "GET http://b:81/c?d HTTP/1.1\nHost: h\n\n", out: "GET /c?d HTTP/1.1\nHost: b:81\n\n"},
		{name: "asterisk-form", in: "OPTIONS * HTTP/1.1\nHost: h\n\n", out: "OPTIONS * HTTP/1.1\nHost: h\n\n"},
		{name: "a Host of the route's", in: "GET / HTTP/1.1\nHost: h\n\n", hostHeader: "orders.internal", out: "GET / HTTP/1.1\nHost: orders.internal\n\n"},
		{name: "HTTP/1.0", in: "GET / HTTP/1.0\n\n", out: "GET / HTTP/1.1\nHost: localhost\n\n"},
		{name: "own method", in: "PROPFIND / HTTP/1.1\nHost: h\n\n", out: "PROPFIND / HTTP/1.1\nHost: h\n\n"},
		{name: "length", in: "POST / HTTP/1.1\nHost: h\nContent-Length: 005\nX: 1\n\nhello", out: "POST / HTTP/1.1\nHost: h\nX: 1\nContent-Length: 5\n\n"},
		{name: "chunks", in: "POST / HTTP/1.1\nHost: h\nTransfer-Encoding: Chunked\n\n0\n\n", out: "POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n"},
		{name: "announced trailers", in: "POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nTrailer: X-A, Content-Length\nTrailer: , x y, X-B\n\n0\n\n", out: "POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nTrailer: X-A, X-B\n\n"},
		{name: "no body where one is expected", in: "POST / HTTP/1.1\nHost: h\n\n", out: "POST / HTTP/1.1\nHost: h\nContent-Length: 0\n\n"},
		{name: "no body, as the client says", in: "DELETE / HTTP/1.1\nHost: h\nContent-Length: 0\n\n", out: "DELETE / HTTP/1.1\nHost: h\nContent-Length: 0\n\n"},
		{name: "TE", in: "GET / HTTP/1.1\nHost: h\nConnection: TE\nTE: gzip;q=0.5, Trailers\n\n", out: "GET / HTTP/1.1\nHost: h\nConnection: TE\nTE: trailers\n\n"},
		{name: "TE without trailers", in: "GET / HTTP/1.1\nHost: h\nConnection: TE\nTE: gzip\n\n", out: "GET / HTTP/1.1\nHost: h\n\n"},
		{name: "WebSocket", in: "GET /ws HTTP/1.1\nHost: h\nConnection: Keep-Alive, Upgrade\nUpgrade: h2c, WebSocket\nSec-WebSocket-Key: k\n\n", out: "GET /ws HTTP/1.1\nHost: h\nSec-WebSocket-Key: k\nConnection: Upgrade\nUpgrade: websocket\n\n"},
		{name: "hop-by-hop fields", in: "GET / HTTP/1.1\nHost: h\nConnection: x-hop, keep-alive\nKeep-Alive: 5\nProxy-Connection: a\nProxy-Authorization: b\nHTTP2-Settings: c\nUpgrade: h2c\nX-Hop: d\nExpect: 100-continue\nX: 1\n\n", out: "GET / HTTP/1.1\nHost: h\nX: 1\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := readRequest(crlf(c.in))
			if err != nil {
				t.Fatal(err)
			}
			withBody(m)
			m.x.Route = &proxy.Route{HostHeader: c.hostHeader}
			for range 2 { // a second attempt sends the same
				out, err := appendRequest(nil, &m.x)
				if err != nil {
					t.Fatal(err)
				}
				if string(out) != string(crlf(c.out)) {
					t.Errorf("got  %q\nwant %q", out, crlf(c.out))
				}
			}
		})
	}
}

// pending stands for a body that is yet to be read.
type pending struct{}

func (pending) Next() ([]byte, error)  { return nil, io.EOF }
func (pending) Ready() bool            { return true }
func (pending) Trailer() *proxy.Fields { return nil }

func withBody(m *message) {
	if m.fr.end != noBody {
		m.x.Request.Body = pending{}
	}
}

// TestUnsendable are requests that HTTP/2 can carry and HTTP/1.1 can't: written
// down, they would be others.
func TestUnsendable(t *testing.T) {
	for _, c := range []struct{ method, path, query, host string }{
		{"GET /a", "/", "", "h"},
		{"", "/", "", "h"},
		{"G:T", "/", "", "h"},
		{"GET", "/a HTTP/1.1", "", "h"},
		{"GET", "/\xe4", "", "h"},
		{"GET", "", "", "h"},
		{"GET", "/", "a b", "h"},
		{"GET", "/", "a\r\nX: b", "h"},
		{"GET", "/", "a#b", "h"},
		{"GET", "/", "", "h b"},
		{"GET", "/", "", "u@h"},
	} {
		x := new(proxy.Exchange)
		q := &x.Request
		q.Fields.Reset(nil)
		q.Method, q.Path, q.Query, q.HasQuery, q.Host, q.Protocol = []byte(c.method), []byte(c.path), []byte(c.query), c.query != "", []byte(c.host), proxy.HTTP2
		q.Verb = proxy.MethodOf(q.Method)
		if out, err := appendRequest(nil, x); !errors.Is(err, errUnsendable) {
			t.Errorf("%q: %q, %v", c, out, err)
		}
	}
}

// TestHostOfTheInstance shows what stands in for a Host that nobody has sent.
func TestHostOfTheInstance(t *testing.T) {
	for address, want := range map[string]string{"10.0.0.1": "10.0.0.1:80", "2001:db8::1": "[2001:db8::1]:80"} {
		set := upstream.NewSet(upstream.Options{})
		pool, err := set.Pool(upstream.PoolSpec{Service: "orders"})
		if err != nil {
			t.Fatal(err)
		}
		set.Apply(&catalog.Snapshot{Source: "static", Services: map[string]*catalog.Service{"orders": {Name: "orders", Instances: []catalog.Instance{
			{Key: "a", Address: address, Port: 80, Weight: 1},
		}}}})
		m, err := readRequest(crlf("GET / HTTP/1.0\n\n"))
		if err != nil {
			t.Fatal(err)
		}
		var a upstream.Attempt
		if m.x.Endpoint, _ = pool.Acquire(&a, time.Now()); m.x.Endpoint == nil {
			t.Fatal("no endpoint")
		}
		out, err := appendRequest(nil, &m.x)
		if err != nil || string(out) != "GET / HTTP/1.1\r\nHost: "+want+"\r\n\r\n" {
			t.Errorf("%q, %v", out, err)
		}
		a.Release()
	}
}

// TestRequestKeepsItsMeaning writes every request that passes the parser's table
// and reads it again, here and by net/http.
func TestRequestKeepsItsMeaning(t *testing.T) {
	for _, c := range accepted {
		t.Run(c.name, func(t *testing.T) {
			m, err := readRequest(crlf(c.raw))
			if err != nil {
				t.Fatal(err)
			}
			if m.x.Request.Verb == proxy.MethodConnect || len(m.x.Request.Host) == 0 {
				return // never forwarded as they are
			}
			sameRequest(t, m)
		})
	}
}

// sameRequest writes m's request and reads it again. Nothing but the framing's
// spelling may have changed.
func sameRequest(t testing.TB, m *message) {
	t.Helper()
	withBody(m)
	out, err := appendRequest(nil, &m.x)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case m.fr.end == byChunks:
		out = appendChunk(out, []byte(m.body))
		out = appendLastChunk(out, nil)
	default:
		out = append(out, m.body...)
	}
	again, err := readRequest(append(slices.Clip(out), "GET"...))
	if err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	p, q := &m.x.Request, &again.x.Request
	if string(p.Method) != string(q.Method) || string(p.Path) != string(q.Path) || string(p.Query) != string(q.Query) ||
		p.HasQuery != q.HasQuery || string(p.Host) != string(q.Host) || p.WebSocket != q.WebSocket || p.Length != q.Length {
		t.Errorf("%q: method, target, host or length have changed", out)
	}
	if lines(&p.Fields) != lines(&q.Fields) {
		t.Errorf("fields were %q, are %q", lines(&p.Fields), lines(&q.Fields))
	}
	if m.body != again.body || again.n != len(out) || m.fr.end != again.fr.end {
		t.Errorf("%q: body %q, %d bytes", out, again.body, again.n)
	}
	r, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(out), 128<<10))
	if err != nil {
		if isEscape(err) {
			return
		}
		t.Fatalf("net/http: %v in %q", err, out)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != m.body || r.Method != string(p.Method) || r.Host != string(p.Host) {
		t.Errorf("net/http: %q %q %q, %v", r.Method, r.Host, body, err)
	}
}

const date = "Sun, 06 Nov 1994 08:49:37 GMT"

// TestAppendResponse shows what a client is told of what an instance has told.
func TestAppendResponse(t *testing.T) {
	for _, c := range []struct {
		name, request, in string
		last              bool
		out               string
		fr                framing
	}{
		{name: "length", request: "GET / HTTP/1.1", in: "HTTP/1.1 200 Fine\nX: 1\nContent-Length: 5\nConnection: close\n\nhello", out: "HTTP/1.1 200 OK\nX: 1\nDate: " + date + "\nContent-Length: 5\n\n", fr: framing{end: byLength, length: 5}},
		{name: "no content", request: "GET / HTTP/1.1", in: "HTTP/1.1 200 OK\nContent-Length: 0\n\n", out: "HTTP/1.1 200 OK\nDate: " + date + "\nContent-Length: 0\n\n"},
		{name: "the instance's date", request: "GET / HTTP/1.1", in: "HTTP/1.1 200 OK\ndate: Mon\nContent-Length: 0\n\n", out: "HTTP/1.1 200 OK\ndate: Mon\nContent-Length: 0\n\n"},
		{name: "no reason", request: "GET / HTTP/1.1", in: "HTTP/1.1 299\nDate: d\nContent-Length: 0\n\n", out: "HTTP/1.1 299 \nDate: d\nContent-Length: 0\n\n"},
		{name: "chunks", request: "GET / HTTP/1.1", in: "HTTP/1.1 200 OK\nDate: d\nTransfer-Encoding: chunked\nTrailer: X-A, Host\n\n0\n\n", out: "HTTP/1.1 200 OK\nDate: d\nTransfer-Encoding: chunked\nTrailer: X-A\n\n", fr: framing{end: byChunks}},
		{name: "chunks to HTTP/1.0", request: "GET / HTTP/1.0", in: "HTTP/1.1 200 OK\nDate: d\nTransfer-Encoding: chunked\n\n0\n\n", out: "HTTP/1.1 200 OK\nDate: d\nConnection: close\n\n", fr: framing{end: byClose, close: true}},
		{name: "until the end", request: "GET / HTTP/1.1", in: "HTTP/1.0 200 OK\nDate: d\n\nhello", out: "HTTP/1.1 200 OK\nDate: d\nTransfer-Encoding: chunked\n\n", fr: framing{end: byChunks}},
		{name: "kept alive", request: "GET / HTTP/1.0", in: "HTTP/1.1 200 OK\nDate: d\nContent-Length: 0\n\n", out: "HTTP/1.1 200 OK\nDate: d\nContent-Length: 0\nConnection: keep-alive\n\n"},
		{name: "the last one", request: "GET / HTTP/1.1", last: true, in: "HTTP/1.1 200 OK\nDate: d\nContent-Length: 0\n\n", out: "HTTP/1.1 200 OK\nDate: d\nContent-Length: 0\nConnection: close\n\n", fr: framing{close: true}},
		{name: "HEAD", request: "HEAD / HTTP/1.1", in: "HTTP/1.1 200 OK\nDate: d\nContent-Length: 5\n\n", out: "HTTP/1.1 200 OK\nDate: d\nContent-Length: 5\n\n"},
		{name: "HEAD without a length", request: "HEAD / HTTP/1.1", in: "HTTP/1.1 200 OK\nDate: d\nTransfer-Encoding: chunked\n\n", out: "HTTP/1.1 200 OK\nDate: d\n\n"},
		{name: "204", request: "GET / HTTP/1.1", in: "HTTP/1.1 204 No\nDate: d\nContent-Length: 5\n\n", out: "HTTP/1.1 204 No Content\nDate: d\n\n"},
		{name: "304", request: "GET / HTTP/1.1", in: "HTTP/1.1 304 No\nDate: d\nContent-Length: 5\nETag: e\n\n", out: "HTTP/1.1 304 Not Modified\nDate: d\nETag: e\n\n"},
		{name: "hop-by-hop fields", request: "GET / HTTP/1.1", in: "HTTP/1.1 200 OK\nDate: d\nContent-Length: 0\nConnection: X\nX: 1\nUpgrade: h2c\nKeep-Alive: 5\nProxy-Authenticate: a\n\n", out: "HTTP/1.1 200 OK\nDate: d\nContent-Length: 0\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := new(proxy.Request)
			var fr framing
			if _, err := parseRequest(crlf(c.request+"\nHost: h\nConnection: keep-alive\n\n"), q, &fr); err != nil {
				t.Fatal(err)
			}
			m, err := readResponse(crlf(c.in), q.Verb)
			if err != nil {
				t.Fatal(err)
			}
			out, framed := appendResponse(nil, q, &m.x.Response, []byte(date), c.last)
			if string(out) != string(crlf(c.out)) {
				t.Errorf("got  %q\nwant %q", out, crlf(c.out))
			}
			if framed != c.fr {
				t.Errorf("framing %+v, want %+v", framed, c.fr)
			}
			rest := []byte(m.body)
			if framed.end == byChunks {
				rest = appendLastChunk(appendChunk(nil, rest), nil)
			}
			again, err := readResponse(append(out, rest...), q.Verb)
			if err != nil {
				t.Fatal(err)
			}
			if again.body != m.body || again.n != len(out)+len(rest) {
				t.Errorf("read again: body %q, %d bytes", again.body, again.n)
			}
		})
	}
}

func TestAppendOther(t *testing.T) {
	f := new(proxy.Fields)
	f.Reset(nil)
	f.AddName("Link", "</a>")
	f.AddName("Connection", "x")
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"100":              {appendInterim(nil, 100, nil), "HTTP/1.1 100 Continue\n\n"},
		"103":              {appendInterim(nil, 103, f), "HTTP/1.1 103 Early Hints\nLink: </a>\n\n"},
		"101":              {appendSwitch(nil, f), "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\nLink: </a>\n\n"},
		"foreign status":   {appendStatus(nil, 799), "HTTP/1.1 799 \n"},
		"status below all": {appendStatus(nil, 99), "HTTP/1.1 500 Internal Server Error\n"},
		"status above all": {appendStatus(nil, 1000), "HTTP/1.1 500 Internal Server Error\n"},
		"chunk":            {appendChunk(nil, make([]byte, 26)), "1a\n" + strings.Repeat("\x00", 26) + "\n"},
		"no chunk":         {appendChunk(nil, nil), ""},
		"last chunk":       {appendLastChunk(nil, nil), "0\n\n"},
		"trailers":         {appendLastChunk(nil, f), "0\nLink: </a>\n\n"},
	} {
		if string(c.got) != string(crlf(c.want)) {
			t.Errorf("%s: %q", name, c.got)
		}
	}
	if n := len(appendChunk(nil, make([]byte, 1<<20))) - 1<<20; n > maxChunkHead {
		t.Errorf("a chunk is %d bytes longer than its data", n)
	}
}

// TestAppendRefusal reads an answer to a broken head as a client would.
func TestAppendRefusal(t *testing.T) {
	for _, c := range refusals {
		for _, id := range [][]byte{nil, []byte("0123")} {
			out := appendRefusal(nil, c.err, id, []byte(date))
			r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
			if err != nil {
				t.Fatalf("%q: %v", out, err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Type, Title, Detail string
				Status              int
				RequestID           string `json:"request_id"`
			}
			if err := json.Unmarshal(body, &doc); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			p := c.err.Problem
			if r.StatusCode != c.status || doc.Status != c.status || !r.Close || r.Header.Get("Date") != date ||
				doc.Type != "urn:lictor:problem:"+p.Name || doc.Title != p.Title || doc.Detail != c.err.Error() ||
				doc.RequestID != string(id) || r.Header.Get("X-Request-Id") != string(id) ||
				r.Header.Get("Proxy-Status") != "lictor; error="+p.ProxyError ||
				r.Header.Get("Content-Length") != strconv.Itoa(len(body)) {
				t.Errorf("%s: %q", c.name, out)
			}
		}
	}
}
