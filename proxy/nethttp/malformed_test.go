package nethttp_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lictor/lictor/proxy/trial/loopback"
)

// TestMalformedRequests wants none of them to reach an instance (RFC 9113 section
// 8.1.1), and the connection to go on.
func TestMalformedRequests(t *testing.T) {
	with := func(fields ...string) []string { return append(get("/"), fields...) }
	var arrived atomic.Int64
	g := bounded(t, false, loopback.Instance(t, loopback.Listen(t), func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil && r.URL.Path != "/ok" {
			arrived.Add(1)
		}
		_, _ = io.WriteString(w, "ok")
	}))
	a := attack(t, g)
	a.listen()
	stream := uint32(1)
	for _, c := range []struct {
		name   string
		fields []string
	}{
		// Section 8.2.2: fields that are about a connection.
		{"connection", with("connection", "keep-alive")},
		{"proxy-connection", with("proxy-connection", "keep-alive")},
		{"keep-alive", with("keep-alive", "timeout=5")},
		{"transfer-encoding", with("transfer-encoding", "chunked")},
		{"upgrade", with("upgrade", "h2c")},
		{"te", with("te", "gzip")},
		// Section 8.2.1: names and values.
		{"uppercase name", with("X-Upper", "x")},
		{"name with a space", with("a b", "x")},
		{"name with a colon", with("a:b", "x")},
		{"empty name", with("", "x")},
		{"value with a line feed", with("a", "b\nc: d")},
		{"value with a carriage return", with("a", "b\rc")},
		{"value with a NUL", with("a", "b\x00c")},
		// Section 8.3: pseudo-fields.
		{"unknown pseudo-field", with(":color", "red")},
		{"pseudo-field of responses", with(":status", "200")},
		{"pseudo-field behind a field", append([]string{"a", "b"}, get("/")...)},
		{"pseudo-field twice", with(":path", "/other")},
		{"no method", get("/")[2:]},
		{"no scheme", append(get("/")[:2:2], get("/")[4:]...)},
		{"no path", get("/")[:6]},
		{"empty path", get("")},
		{"path without a slash", get("path")},
		{"another scheme", []string{":method", "GET", ":scheme", "ftp", ":authority", "x", ":path", "/"}},
		{"CONNECT with a path", []string{":method", "CONNECT", ":scheme", "http", ":authority", "x", ":path", "/"}},
		{"CONNECT without an authority", []string{":method", "CONNECT"}},
		{"method with a space", []string{":method", "GET /", ":scheme", "http", ":authority", "x", ":path", "/"}},
		{"protocol without CONNECT", with(":protocol", "websocket")},
		{"two hosts", with("host", "y")},
		{"a host thrice", with("host", "x", "host", "x")},
		{"absolute path", get("http://y/")},
		{"Content-Length without a body", with("content-length", "5")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := a.headers(stream, true, c.fields...); err != nil {
				t.Fatal(err)
			}
			a.refused(t, stream)
			stream += 2
		})
	}
	for _, c := range []struct {
		name, length, data string
		ends               bool
	}{
		{"more than Content-Length", "1", "two", true},
		{"less than Content-Length", "5", "two", true},
		{"Content-Length that is none", "two", "two", true},
		{"Content-Length with a sign", "+3", "two", true},
		{"negative Content-Length", "-1", "two", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			post := []string{":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/", "content-length", c.length}
			if err := a.headers(stream, false, post...); err != nil {
				t.Fatal(err)
			}
			if err := a.fr.WriteData(stream, c.ends, []byte(c.data)); err != nil {
				t.Fatal(err)
			}
			a.refused(t, stream)
			stream += 2
		})
	}
	if err := a.headers(stream, true, get("/ok")...); err != nil {
		t.Fatal(err)
	}
	e := a.until("the answer to a sound request", func(e event) bool { return e.stream == stream })
	if e.kind != http2.FrameHeaders || e.status != "200" {
		t.Errorf("got %+v", e)
	}
	if n := arrived.Load(); n != 0 {
		t.Errorf("%d malformed requests reached the instance", n)
	}
}

// refused wants a stream to end by an error, or a status that says so.
func (a *attacker) refused(t *testing.T, stream uint32) {
	t.Helper()
	e := a.until("the stream's end", func(e event) bool {
		return e.kind == http2.FrameGoAway || e.stream == stream && (e.kind == http2.FrameHeaders || e.kind == http2.FrameRSTStream)
	})
	switch {
	case e.kind == http2.FrameGoAway:
		t.Fatalf("the connection ended with %s", e.code)
	case e.kind == http2.FrameHeaders && e.status[0] != '4' && e.status[0] != '5':
		t.Errorf("answered %s", e.status)
	}
}
