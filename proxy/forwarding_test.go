package proxy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

var (
	newID    = regexp.MustCompile(`[0-9a-f]{32}`)
	newTrace = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-00$`)
)

// TestForwardedHead compares whole heads as they go to an instance. What is
// random is shown as ID and TRACE.
func TestForwardedHead(t *testing.T) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, c := range []struct {
		name    string
		options []func(*setup)
		request string
		want    []string
	}{
		{
			name:    "plain",
			request: get("/orders/17?page=2", "Accept: */*", "User-Agent: curl/8"),
			want: []string{
				"GET /orders/17 HTTP/1.1", "Host: api.example.com", "Accept: */*", "User-Agent: curl/8",
				"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8080",
				"X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
		{
			name:    "TLS from an IPv6 client",
			options: []func(*setup){func(s *setup) { s.tls, s.peer, s.listener.Port = true, "[2001:db8::7]:1", 8443 }},
			request: get("/orders"),
			want: []string{
				"GET /orders HTTP/1.1", "Host: api.example.com",
				"X-Forwarded-For: 2001:db8::7", "X-Forwarded-Proto: https", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8443",
				"X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
		{
			name:    "forged",
			request: get("/orders", append(forgedLines(), "X-Mine: 1")...),
			want: []string{
				"GET /orders HTTP/1.1", "Host: api.example.com", "X-Mine: 1",
				"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8080",
				"X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
		{
			name:    "behind a trusted proxy",
			options: []func(*setup){trustedProxies},
			request: get("/orders", "X-Forwarded-For: 6.6.6.6, 203.0.113.5, 10.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: www.example.com",
				"X-Forwarded-Port: 443", "X-Forwarded-Prefix: /shop", "X-Request-Id: abc", "Traceparent: "+trace, "Tracestate: a=1",
				"Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6", "Via: 2.0 front"),
			want: []string{
				"GET /orders HTTP/1.1", "Host: api.example.com", "Tracestate: a=1", "Via: 2.0 front",
				"X-Forwarded-For: 203.0.113.5, 10.0.0.1, 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: www.example.com", "X-Forwarded-Port: 443",
				"X-Forwarded-Prefix: /shop", "X-Request-Id: abc", "Traceparent: " + trace, "Via: 1.1 lictor",
			},
		},
		{
			name:    "the trace of a trusted proxy is broken",
			options: []func(*setup){trustedProxies},
			request: get("/orders", "Traceparent: 00-0-0-01", "Tracestate: a=1"),
			want: []string{
				"GET /orders HTTP/1.1", "Host: api.example.com",
				"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8080",
				"X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
		{
			name:    "Forwarded",
			options: []func(*setup){readForwarded, func(s *setup) { s.tls = true }},
			request: get("/orders", `Forwarded: for=6.6.6.6;by=6.6.6.6`),
			want: []string{
				"GET /orders HTTP/1.1", "Host: api.example.com",
				"X-Forwarded-For: 192.0.2.7", `Forwarded: for=192.0.2.7;proto=https;host="api.example.com"`,
				"X-Forwarded-Proto: https", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8080",
				"X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
		{
			name:    "Forwarded behind a trusted proxy, which lets the other fields pass",
			options: []func(*setup){readForwarded, trustedProxies},
			request: get("/orders", `Forwarded: for=6.6.6.6, For="[2001:db8:9::1]:4711";Proto=HTTPS;host="a,b"`, "Forwarded: for=10.0.0.1",
				"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: gopher", "X-Forwarded-Host: evil.example", "X-Forwarded-Port: 6", "X-Forwarded-Prefix: /6"),
			want: []string{
				"GET /orders HTTP/1.1", "Host: api.example.com",
				"X-Forwarded-For: 2001:db8:9::1, 10.0.0.1, 192.0.2.7",
				`Forwarded: for="[2001:db8:9::1]";proto=https, for=10.0.0.1, for=192.0.2.7;proto=http;host="api.example.com"`,
				"X-Forwarded-Proto: https", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8080",
				"X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
		{
			name:    "strip_prefix",
			options: []func(*setup){func(s *setup) { s.route.StripPrefix = "/orders" }},
			request: get("/orders/17"),
			want: []string{
				"GET /17 HTTP/1.1", "Host: api.example.com",
				"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8080",
				"X-Forwarded-Prefix: /orders", "X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
		{
			name:    "strip_prefix below another one, to nothing",
			options: []func(*setup){trustedProxies, func(s *setup) { s.route.StripPrefix = "/orders" }},
			request: get("/orders", "X-Forwarded-Prefix: /shop"),
			want: []string{
				"GET / HTTP/1.1", "Host: api.example.com",
				"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8080",
				"X-Forwarded-Prefix: /shop/orders", "X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
		{
			name: "hop-by-hop and nominated",
			request: get("/orders", "Connection: X-Secret, keep-alive, X-Forwarded-For, via", "Connection: x-request-id, host, authorization, content-length, cookie",
				"X-Secret: 1", "Keep-Alive: 5", "TE: trailers", "Upgrade: h2c", "HTTP2-Settings: x", "Proxy-Authorization: Basic x", "Proxy-Connection: close",
				"Transfer-Encoding: chunked", "Trailer: X-T", "Expect: 100-continue", "Authorization: Bearer x", "Cookie: a=1"),
			want: []string{
				"GET /orders HTTP/1.1", "Host: api.example.com", "Authorization: Bearer x", "Cookie: a=1",
				"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8080",
				"X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
		{
			name:    "normal form",
			request: get("//orders/./%2e/%7Eme/../x%2fy"),
			want: []string{
				"GET /orders/x%2Fy HTTP/1.1", "Host: api.example.com",
				"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: api.example.com", "X-Forwarded-Port: 8080",
				"X-Request-Id: ID", "Traceparent: TRACE", "Via: 1.1 lictor",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, &memory{reply: []byte(reply)}, append(c.options, unlimited)...)
			g.serve(c.request)
			head, _, _ := strings.Cut(string(g.sent), "\r\n\r\n")
			got := strings.Split(head, "\r\n")
			for i, l := range got {
				switch name, value, _ := strings.Cut(l, ": "); {
				case name == "X-Request-Id" && newID.MatchString(value):
					got[i] = "X-Request-Id: ID"
				case name == "Traceparent" && newTrace.MatchString(value):
					got[i] = "Traceparent: TRACE"
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestStepsSpeakLast: what a step adds of the fields that a trusted proxy may
// set goes upstream; what it adds of others of ours does not.
func TestStepsSpeakLast(t *testing.T) {
	adds := stepFunc(func(x *proxy.Exchange) bool {
		x.Request.Fields.AddString(proxy.XForwardedProto, "https")
		x.Request.Fields.AddName("X-Real-IP", x.Client.String())
		x.Request.Fields.AddName("X-User", "a\r\nX-Admin: 1")
		x.Request.Fields.AddName("Transfer-Encoding", "chunked")
		x.Request.Path = []byte("/elsewhere")
		return true
	})
	g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) {
		s.route.Steps, s.route.StripPrefix = []proxy.Step{adds}, "/orders"
	})
	g.serve(get("/orders/1", "X-Real-IP: 6.6.6.6"))
	m := g.forwarded()
	if m.start != "GET /elsewhere HTTP/1.1" {
		t.Errorf("the path went as %q", m.start)
	}
	for name, want := range map[string]string{
		"X-Forwarded-Proto": "https", "X-Real-IP": "192.0.2.7", "X-User": "a  X-Admin: 1", "X-Admin": "-", "Transfer-Encoding": "-",
	} {
		if got := m.get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// stepFunc is a step that is a function.
type stepFunc func(x *proxy.Exchange) bool

func (f stepFunc) Request(x *proxy.Exchange) bool { return f(x) }

func TestTraceparent(t *testing.T) {
	const id, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for v, kept := range map[string]bool{
		"00-" + id + "-" + span + "-01":                             true,
		"00-" + id + "-" + span + "-00":                             true,
		"01-" + id + "-" + span + "-01":                             true,
		"cc-" + id + "-" + span + "-01-extra":                       true,
		"00-" + id + "-" + span + "-01-extra":                       false,
		"cc-" + id + "-" + span + "-01.extra":                       false,
		"ff-" + id + "-" + span + "-01":                             false,
		"00-" + strings.ToUpper(id) + "-" + span + "-01":            false,
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":        false,
		"00-" + id + "-" + strings.Repeat("0", 16) + "-01":          false,
		"00-" + id + "-" + span + "-0":                              false,
		"00-" + id + "-" + span + "-0g":                             false,
		"00_" + id + "-" + span + "-01":                             false,
		"0x-" + id + "-" + span + "-01":                             false,
		"cc-" + id + "-" + span + "-01-" + strings.Repeat("x", 200): false,
		"": false,
		"00-" + id + "-" + span + "-01\r\nTraceparent: 00-" + id + "-" + span + "-01": false,
	} {
		for _, trusted := range []bool{true, false} {
			g := newGateway(t, &memory{reply: []byte(reply)}, unlimited, func(s *setup) {
				if trusted {
					trustedProxies(s)
				}
			})
			g.serve(get("/orders", "Traceparent: "+v, "Tracestate: a=1"))
			m := g.forwarded()
			if got := m.get("Traceparent"); (got == v) != (kept && trusted) || got != v && !newTrace.MatchString(got) {
				t.Errorf("%q, trusted %v: sent as %q", v, trusted, got)
			}
			if got := m.get("Tracestate") == "a=1"; got != (kept && trusted) {
				t.Errorf("%q, trusted %v: the state went up: %v", v, trusted, got)
			}
		}
	}
}

func TestViaNamesTheProtocol(t *testing.T) {
	for p, want := range map[proxy.Protocol]string{
		proxy.HTTP10: "1.0 lictor", proxy.HTTP11: "1.1 lictor", proxy.HTTP2: "2.0 lictor", proxy.HTTP3: "3.0 lictor",
	} {
		g := newGateway(t, &memory{reply: []byte(reply)}, unlimited)
		x := g.request([]byte(get("/orders")), g.conn)
		x.Request.Protocol = p
		g.proxy.Serve(x)
		if got := g.forwarded().get("Via"); got != want {
			t.Errorf("%v: %q", p, got)
		}
		if got := g.answered().get("Via"); got != "-" {
			t.Errorf("%v: the client got %q", p, got)
		}
	}
}

// trailing is a body of one piece with a trailer section.
type trailing struct {
	onceBody
	trailer proxy.Fields
}

func (b *trailing) Trailer() *proxy.Fields { return &b.trailer }

func newTrailing(text string, lines ...string) *trailing {
	b := &trailing{onceBody: onceBody{b: []byte(text)}}
	b.trailer.Reset(nil)
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		b.trailer.Foreign(name, value)
	}
	return b
}

// TestRequestTrailerForgesNothing: an instance may merge a trailer section into
// the head.
func TestRequestTrailerForgesNothing(t *testing.T) {
	var got string
	g := newGateway(t, &memory{reply: []byte(reply), script: func(m *memory, _ int, x *proxy.Exchange, _ *upstreamEndpoint) error {
		m.send(x)
		got = string(x.Request.Body.Trailer().AppendLines(nil))
		m.answer(x, m.reply)
		return nil
	}}, unlimited)
	x := g.request([]byte(method("POST", "/orders")), g.conn)
	x.Request.Length = proxy.Unknown
	x.Request.Body = newTrailing("hello", append(forgedLines(), "X-Checksum: 1", "Authorization: Bearer x", "Host: evil", "Content-Length: 5")...)
	g.proxy.Serve(x)
	if got != "X-Checksum: 1\r\n" {
		t.Errorf("the trailer went as %q", got)
	}
}

func BenchmarkForwarding(b *testing.B) {
	var f proxy.Fields
	raw := []byte(get("/orders", "User-Agent: test", "Accept: */*", "Accept-Encoding: gzip", "Cookie: a=1"))
	at := strings.Index(string(raw), "\r\n") + 2
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			parseHead(&f, raw, at)
		}
	})
	b.Run("classify", func(b *testing.B) {
		name := []byte("X-Forwarded-For")
		for b.Loop() {
			if proxy.Classify(name) != proxy.XForwardedFor {
				b.Fatal("not known")
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		parseHead(&f, raw, at)
		out := make([]byte, 0, 4096)
		for b.Loop() {
			out = f.AppendLines(out[:0])
		}
	})
}
