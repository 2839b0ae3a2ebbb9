package proxy_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// stream is a body by script: "piece" is ready, "wait:piece" would block.
type stream struct {
	script  []string
	err     error // io.EOF when nil
	trailer *proxy.Fields
}

func (s *stream) Ready() bool { return len(s.script) == 0 || !strings.HasPrefix(s.script[0], "wait:") }

func (s *stream) Next() ([]byte, error) {
	if len(s.script) == 0 {
		if s.err != nil {
			return nil, s.err
		}
		return nil, io.EOF
	}
	p := strings.TrimPrefix(s.script[0], "wait:")
	s.script = s.script[1:]
	return []byte(p), nil
}
func (s *stream) Trailer() *proxy.Fields { return s.trailer }

// streams answers with a body by script.
func streams(body proxy.Body) func(*memory, int, *proxy.Exchange, *upstream.Endpoint) error {
	return func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
		m.answer(x, []byte("HTTP/1.1 200 OK\r\n\r\n"))
		x.Response.Length, x.Response.Body = proxy.Unknown, body
		return nil
	}
}

// TestFlushRule: what is unsent goes out before the pipeline waits for the
// instance, and not before.
func TestFlushRule(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []string
		want   []string
	}{
		{"all there", []string{"a", "b"}, []string{"forward", "head", "body a", "body b", "end", "done"}},
		{"empty", nil, []string{"forward", "head", "end", "done"}},
		{"events", []string{"wait:a", "wait:b"}, []string{"forward", "head", "flush", "body a", "flush", "body b", "end", "done"}},
		{"a wait amid", []string{"a", "wait:b", "c"}, []string{"forward", "head", "body a", "flush", "body b", "body c", "end", "done"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, &memory{script: streams(&stream{script: c.script})})
			g.serve(get("/orders"))
			if !slices.Equal(g.events, c.want) {
				t.Errorf("%q, want %q", g.events, c.want)
			}
			if !slices.Equal(g.done, []bool{true}) {
				t.Errorf("Done was called %v", g.done)
			}
		})
	}
}

func TestBodyBreaks(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		blamed upstream.Causes
	}{
		{"broke", failure(proxy.Broke, true, true), upstream.Causes{Broke: 1}},
		{"idle", failure(proxy.TimedOut, true, true), upstream.Causes{TimedOut: 1}},
		{"any error", io.ErrUnexpectedEOF, upstream.Causes{Broke: 1}},
		{"client gone", failure(proxy.ClientGone, true, true), upstream.Causes{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, &memory{script: streams(&stream{script: []string{"part"}, err: c.err})}, instances(1))
			g.serve(get("/orders"))
			if g.aborts != 1 || g.ends != 0 || !slices.Equal(g.done, []bool{false}) || g.tries != 1 {
				t.Errorf("%q, done %v", g.events, g.done)
			}
			if got := g.set.Describe(time.Now())[0].Failures; got != c.blamed {
				t.Errorf("blamed for %+v", got)
			}
			l := g.logged()
			if l["status"] != 200.0 || l["bytes_out"] != 4.0 || l["error"] == "" {
				t.Errorf("logged as %v", l)
			}
		})
	}
}

// TestClientStopsReading: whatever call fails, the instance is not to blame, its
// connection is given back once, and the exchange ends.
func TestClientStopsReading(t *testing.T) {
	for _, call := range []string{"head", "flush", "body", "end"} {
		g := newGateway(t, &memory{fail: call, script: streams(&stream{script: []string{"wait:a"}})}, instances(1))
		g.serve(get("/orders"))
		if g.aborts != 1 || !slices.Equal(g.done, []bool{false}) {
			t.Errorf("%s failed: %q, done %v", call, g.events, g.done)
		}
		if got := g.set.Describe(time.Now())[0].Failures.Total(); got != 0 {
			t.Errorf("%s failed: the instance is blamed", call)
		}
	}
}

func TestTrailerPasses(t *testing.T) {
	var f proxy.Fields
	f.Reset(nil)
	f.Foreign("Grpc-Status", "0")
	f.Foreign("Transfer-Encoding", "chunked")
	g := newGateway(t, &memory{script: streams(&stream{script: []string{"a"}, trailer: &f})})
	g.serve(get("/orders"))
	if !strings.HasSuffix(string(g.wire), "\r\n\r\naGrpc-Status: 0\r\n") {
		t.Errorf("the client got %q", g.wire)
	}
}

func TestResponseWithoutBody(t *testing.T) {
	g := newGateway(t, &memory{script: func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
		m.answer(x, []byte("HTTP/1.1 204 No Content\r\nX-App: 1\r\n\r\n"))
		x.Response.Body = nil
		return nil
	}})
	g.serve(get("/orders"))
	if m := g.answered(); m.start != "HTTP/1.1 204" || m.get("X-App") != "1" || !slices.Equal(g.done, []bool{true}) {
		t.Errorf("%+v, done %v", m, g.done)
	}
}

// order is a step that notes when it runs and sees responses too.
type order struct {
	name  string
	notes *[]string
}

func (o *order) Request(*proxy.Exchange) bool {
	*o.notes = append(*o.notes, "request "+o.name)
	return true
}

func (o *order) Response(x *proxy.Exchange) {
	*o.notes = append(*o.notes, "response "+o.name)
	x.Response.Fields.AddName("X-Step", o.name)
}

func TestResponseStepsRunBackwards(t *testing.T) {
	var notes []string
	steps := func(s *setup) {
		s.route.Steps = []proxy.Step{&order{"a", &notes}, stepFunc(func(*proxy.Exchange) bool { return true }), &order{"b", &notes}}
	}
	g := newGateway(t, &memory{reply: []byte(reply)}, steps)
	g.serve(get("/orders"))
	if want := []string{"request a", "request b", "response b", "response a"}; !slices.Equal(notes, want) {
		t.Errorf("%q", notes)
	}
	if got := g.answered().all("X-Step"); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("the client got %q", got)
	}
	notes = nil
	g = newGateway(t, &memory{}, steps, instances(0))
	g.serve(get("/orders"))
	if want := []string{"request a", "request b"}; !slices.Equal(notes, want) {
		t.Errorf("the gateway's own answer went through steps: %q", notes)
	}
}

// TestResponseHeadIsCleaned of what belongs to the instance's connection.
func TestResponseHeadIsCleaned(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte("HTTP/1.1 200 OK\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c\r\nServer: app\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok")}, unlimited)
	g.serve(get("/orders"))
	if got, want := g.answered().names(), []string{"Server", "Set-Cookie", "Set-Cookie", "X-Request-Id"}; !slices.Equal(got, want) {
		t.Errorf("the client got %q, want %q", got, want)
	}
}
