package proxy_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/limit"
)

// grpcCodes is what each status of an answer is to gRPC.
var grpcCodes = map[int]int{
	400: 13, 401: 16, 403: 7, 404: 12, 405: 12, 408: 4, 413: 8, 429: 8, 431: 8, 501: 12, 502: 14, 503: 14, 504: 4, 505: 13,
}

// calling makes the request one of HTTP/2, and of that media type.
func (g *gateway) calling(contentType string, step func(x *proxy.Exchange)) {
	g.t.Helper()
	g.traced = true
	x := g.request([]byte("POST /orders HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: "+contentType+"\r\n\r\n"), g.conn)
	x.Request.Protocol = proxy.HTTP2
	step(x)
	g.proxy.Serve(x)
	g.settled()
}

func answers(p *proxy.Problem, detail string) func(*setup) {
	return func(s *setup) {
		s.route.Steps = []proxy.Step{stepFunc(func(x *proxy.Exchange) bool {
			x.Answer(p, detail, nil)
			return false
		})}
	}
}

func asItIs(*proxy.Exchange) {}

// TestGRPCStatuses: every answer of the gateway's own has the status that clients
// of gRPC understand.
func TestGRPCStatuses(t *testing.T) {
	for _, c := range problems {
		g := newGateway(t, &memory{}, answers(c.problem, "because"))
		g.calling("application/grpc+proto", asItIs)
		m := g.answered()
		want, ok := grpcCodes[c.status]
		if !ok {
			t.Fatalf("nobody says what %d is", c.status)
		}
		if m.start != "HTTP/1.1 200" || m.get("Grpc-Status") != fmt.Sprint(want) || m.body != "" ||
			m.get("Content-Type") != "application/grpc" || m.get("Grpc-Message") != c.problem.Title+": because" {
			t.Errorf("%s: %+v", c.problem.Name, m)
		}
		if !strings.Contains(m.get("Proxy-Status"), c.proxied) || m.get("X-Request-Id") == "" {
			t.Errorf("%s: %+v", c.problem.Name, m)
		}
	}
}

// TestGRPCMessage is percent-encoded.
func TestGRPCMessage(t *testing.T) {
	g := newGateway(t, &memory{}, answers(proxy.Malformed, "50% of\r\nRome é"))
	g.calling("application/grpc", asItIs)
	if got, want := g.answered().get("Grpc-Message"), proxy.Malformed.Title+": 50%25 of%0D%0ARome %C3%A9"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestGRPCPushback tells clients when to call again, or that they should not.
func TestGRPCPushback(t *testing.T) {
	for _, c := range []struct {
		problem     *proxy.Problem
		retry, want string
	}{
		{proxy.QuotaExceeded, "7", "7000"},
		{proxy.QuotaExceeded, "", "-"},
		{proxy.Overloaded, "", "1000"},
		{proxy.TokenMissing, "", "-"}, // none
		{proxy.QuotaExceeded, "99999999999999999999", "-"},
	} {
		g := newGateway(t, &memory{}, func(s *setup) {
			s.route.Steps = []proxy.Step{stepFunc(func(x *proxy.Exchange) bool {
				x.ResetResponse()
				if c.retry != "" {
					x.Response.Fields.AddString(proxy.RetryAfter, c.retry)
				}
				x.AnswerWith(c.problem, "", nil)
				return false
			})}
		})
		g.calling("application/grpc", asItIs)
		if got := g.answered().get("Grpc-Retry-Pushback-Ms"); got != c.want {
			t.Errorf("%s with Retry-After %q: %q, want %q", c.problem.Name, c.retry, got, c.want)
		}
	}
}

// TestGRPCPushbackOfLimits is exact, where Retry-After has whole seconds, and says so
// where waiting does not help.
func TestGRPCPushbackOfLimits(t *testing.T) {
	once := newLimit(t, "once", "1/h", 1)
	g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.route.Steps = phase(once) })
	g.calling("application/grpc", asItIs)
	g.calling("application/grpc", asItIs)
	m := g.answered()
	ms, err := strconv.Atoi(m.get("Grpc-Retry-Pushback-Ms"))
	if seconds, _ := strconv.Atoi(m.get("Retry-After")); err != nil || ms > 1000*seconds || ms <= 1000*(seconds-1) {
		t.Errorf("%+v", m)
	}
	never := newLimit(t, "never", "1/h", 1, func(s *limit.Spec) { s.Cost = 2 })
	g = newGateway(t, &memory{}, func(s *setup) { s.route.Steps = phase(never) })
	for contentType, want := range map[string]string{"application/grpc": "-1", "application/grpc-web": "-"} {
		g.calling(contentType, asItIs)
		m := g.answered()
		if m.get("Grpc-Retry-Pushback-Ms") != want || strings.Contains(m.body, "grpc-retry-pushback-ms: -1\r\n") != (want == "-") {
			t.Errorf("%s: %+v", contentType, m)
		}
	}
}

// TestGRPCWeb has the status in a frame of the body, whatever version of HTTP is
// spoken.
func TestGRPCWeb(t *testing.T) {
	for _, contentType := range []string{"application/grpc-web", "application/grpc-web+proto", "Application/gRPC-Web; x", "application/grpc-web-text", "application/grpc-web-text+proto"} {
		for _, protocol := range []proxy.Protocol{proxy.HTTP11, proxy.HTTP2} {
			g := newGateway(t, &memory{}, answers(proxy.QuotaExceeded, "é"))
			g.calling(contentType, func(x *proxy.Exchange) { x.Request.Protocol = protocol })
			m := g.answered()
			body, want := m.body, "application/grpc-web"
			if strings.Contains(contentType, "text") {
				want += "-text"
				raw, err := base64.StdEncoding.DecodeString(body)
				if err != nil {
					t.Fatal(err)
				}
				body = string(raw)
			}
			if m.start != "HTTP/1.1 200" || m.get("Content-Type") != want || m.get("Grpc-Status") != "-" || len(body) < 5 {
				t.Fatalf("%s: %+v", contentType, m)
			}
			if body[0] != 0x80 || int(binary.BigEndian.Uint32([]byte(body[1:5]))) != len(body)-5 {
				t.Errorf("%s: the frame begins with %x", contentType, body[:5])
			}
			trailers := textproto.MIMEHeader{}
			for line := range strings.Lines(body[5:]) {
				name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r\n"), ": ")
				if !ok || !strings.HasSuffix(line, "\r\n") || name != strings.ToLower(name) {
					t.Errorf("%s: the line %q", contentType, line)
				}
				trailers.Add(name, value)
			}
			if trailers.Get("grpc-status") != "8" || trailers.Get("grpc-message") != proxy.QuotaExceeded.Title+": %C3%A9" || trailers.Get("grpc-retry-pushback-ms") != "" {
				t.Errorf("%s: %v", contentType, trailers)
			}
		}
	}
}

// TestNotGRPC gets a problem document, as ever.
func TestNotGRPC(t *testing.T) {
	for contentType, protocol := range map[string]proxy.Protocol{
		"application/grpc": proxy.HTTP11, "application/grpcx": proxy.HTTP2, "application/grp": proxy.HTTP2,
		"application/grpc-webx": proxy.HTTP2, "application/grpc-web-texts": proxy.HTTP2, "application/json": proxy.HTTP2,
	} {
		g := newGateway(t, &memory{}, answers(proxy.QuotaExceeded, ""))
		g.calling(contentType, func(x *proxy.Exchange) { x.Request.Protocol = protocol })
		if m := g.answered(); m.start != "HTTP/1.1 429" || m.get("Content-Type") != "application/problem+json" || m.get("Grpc-Status") != "-" {
			t.Errorf("%s: %+v", contentType, m)
		}
	}
}

// TestGRPCAllocatesNothing, like any other answer.
func TestGRPCAllocatesNothing(t *testing.T) {
	for _, contentType := range []string{"application/grpc", "application/grpc-web+proto", "application/grpc-web-text"} {
		m := &memory{}
		g := newGateway(t, m, silent, answers(proxy.QuotaExceeded, "because"))
		in := []byte("POST /orders HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: " + contentType + "\r\n\r\n")
		once := func() {
			x := m.request(in, g.conn)
			x.Request.Protocol = proxy.HTTP2
			g.proxy.Serve(x)
		}
		once()
		if n := testing.AllocsPerRun(500, once); n != 0 {
			t.Errorf("%s: %v allocations", contentType, n)
		}
	}
}
