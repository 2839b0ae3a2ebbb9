package http1

import (
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// The messages of the benchmarks are what browsers and services send.
const (
	usualRequest = "GET /orders/17?page=2&sort=name HTTP/1.1\nHost: api.example.com\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\nAccept: application/json, text/plain, */*\n" +
		"Accept-Language: en-US,en;q=0.5\nAccept-Encoding: gzip, deflate, br\nAuthorization: Bearer 0123456789abcdef0123456789abcdef\n" +
		"Cookie: session=0123456789abcdef; theme=dark\nConnection: keep-alive\n\n"
	usualResponse = "HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 1024\nDate: Mon, 23 Nov 2026 14:00:00 GMT\n" +
		"Server: demo\nCache-Control: no-cache, no-store\nConnection: keep-alive\n\n"
)

// steady is one pooled set of everything, as a connection would lend it.
type steady struct {
	x      proxy.Exchange
	fr     framing
	c      chunks
	out    []byte
	in     []byte
	method proxy.Method
	t      testing.TB
}

func newSteady(t testing.TB, raw string) *steady {
	return &steady{t: t, in: crlf(raw), out: make([]byte, 0, 16<<10), method: proxy.MethodGet}
}

func (s *steady) request() {
	var scan headScan
	n, err := scan.skip(s.in)
	if err != nil {
		s.t.Fatal(err)
	}
	if ok, err := scan.whole(s.in[n:], 32<<10); !ok || err != nil {
		s.t.Fatal(ok, err)
	}
	if _, err := parseRequest(s.in[n:], &s.x.Request, &s.fr); err != nil {
		s.t.Fatal(err)
	}
}

func (s *steady) response() {
	var scan headScan
	if ok, err := scan.whole(s.in, 32<<10); !ok || err != nil {
		s.t.Fatal(ok, err)
	}
	if _, err := parseResponse(s.in, s.method, &s.x.Response, &s.fr); err != nil {
		s.t.Fatal(err)
	}
}

func (s *steady) writeRequest() {
	out, err := appendRequest(s.out[:0], &s.x)
	if err != nil {
		s.t.Fatal(err)
	}
	s.out = out
}

func (s *steady) writeResponse() {
	s.out, _ = appendResponse(s.out[:0], &s.x.Request, &s.x.Response, []byte(date), false)
}

func (s *steady) chunked() {
	s.c.reset(&s.x.Request.Fields)
	for at := 0; ; {
		_, n, err := s.c.next(s.in[at:])
		if at += n; err != nil {
			if at != len(s.in) {
				s.t.Fatal(err)
			}
			return
		}
	}
}

const chunkedBody = "400;a=b\n%\n400\n%\n0\n\n"

func fill(raw string) string {
	return strings.ReplaceAll(raw, "%", strings.Repeat("x", 1024))
}

// TestNothingIsAllocated runs each part of the wire layer in steady state: on a
// set of buffers that has seen a message before.
func TestNothingIsAllocated(t *testing.T) {
	for name, f := range map[string]func() func(){
		"request":       func() func() { return newSteady(t, usualRequest).request },
		"empty lines":   func() func() { return newSteady(t, "\n"+usualRequest).request },
		"absolute-form": func() func() { return newSteady(t, "GET http://b/c HTTP/1.1\nHost: a\n\n").request },
		"nominations":   func() func() { return newSteady(t, "GET / HTTP/1.1\nHost: a\nConnection: x, close\nX: y\n\n").request },
		"WebSocket": func() func() {
			return newSteady(t, "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n").request
		},
		"128 fields": func() func() {
			return newSteady(t, "GET / HTTP/1.1\nHost: a\n"+strings.Repeat("X: y\n", 127)+"\n").request
		},
		"response":          func() func() { return newSteady(t, usualResponse).response },
		"chunks":            func() func() { return newSteady(t, fill(chunkedBody)).chunked },
		"trailers":          func() func() { return newSteady(t, "1\na\n0\nX-Sum: 1\nContent-Length: 5\n\n").chunked },
		"long trailers":     func() func() { return newSteady(t, fill("0\nX: %\nY: %\n\n")).chunked },
		"writing a request": func() func() { s := newSteady(t, usualRequest); s.request(); return s.writeRequest },
		"writing a response": func() func() {
			s := newSteady(t, usualResponse)
			s.response()
			return s.writeResponse
		},
		"refusals": func() func() {
			s := newSteady(t, "")
			heads := make([][]byte, len(refusals))
			for i, c := range refusals {
				heads[i] = crlf(c.raw)
			}
			id := []byte("0123")
			return func() {
				for _, h := range heads {
					var scan headScan
					_, err := scan.skip(h)
					if err == nil {
						_, err = scan.whole(h, 32<<10)
					}
					if err == nil {
						_, err = parseRequest(h, &s.x.Request, &s.fr)
					}
					if e, ok := err.(*Error); ok { //nolint:errorlint // all of them are bare
						s.out = appendRefusal(s.out[:0], e, id, id)
					}
				}
			}
		},
		"the rest": func() func() {
			s := newSteady(t, usualResponse)
			s.response()
			return func() {
				out := appendInterim(s.out[:0], 103, &s.x.Response.Fields)
				out = appendSwitch(out, &s.x.Response.Fields)
				out = appendChunk(out, s.in)
				s.out = appendLastChunk(out, &s.x.Response.Fields)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			once := f()
			once()
			if n := testing.AllocsPerRun(100, once); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func BenchmarkParseRequest(b *testing.B) {
	s := newSteady(b, usualRequest)
	b.ReportAllocs()
	for b.Loop() {
		s.request()
	}
}

func BenchmarkParseResponse(b *testing.B) {
	s := newSteady(b, usualResponse)
	b.ReportAllocs()
	for b.Loop() {
		s.response()
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	s := newSteady(b, usualRequest)
	s.request()
	b.ReportAllocs()
	for b.Loop() {
		s.writeRequest()
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	s := newSteady(b, usualResponse)
	s.response()
	b.ReportAllocs()
	for b.Loop() {
		s.writeResponse()
	}
}

func BenchmarkChunked(b *testing.B) {
	s := newSteady(b, fill(chunkedBody))
	b.SetBytes(2048)
	b.ReportAllocs()
	for b.Loop() {
		s.chunked()
	}
}

// BenchmarkHeadInPieces is what a client costs that sends its head byte by byte.
func BenchmarkHeadInPieces(b *testing.B) {
	raw := crlf("GET / HTTP/1.1\nX: " + strings.Repeat("x", 8<<10) + "\n\n")
	for b.Loop() {
		var s headScan
		for n := range raw {
			if _, err := s.whole(raw[:n], 32<<10); err != nil {
				b.Fatal(err)
			}
		}
	}
}
