package proxy_test

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/accesslog"
	"github.com/lictor/lictor/proxy/upstream"
)

func requestField(line, name string) proxy.LogField {
	return proxy.LogField{Name: line, Bytes: func(x *proxy.Exchange) []byte {
		v, _ := x.Request.Fields.Lookup(name)
		return v
	}}
}

func responseField(line, name string) proxy.LogField {
	return proxy.LogField{Name: line, Response: name, Bytes: func(x *proxy.Exchange) []byte { return x.Noted(name) }}
}

func withFields(fields ...proxy.LogField) func(*setup) {
	return func(s *setup) { s.log = func(l *proxy.Log) { l.Fields = fields } }
}

func TestLogFields(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)}, withFields(
		requestField("ref", "x-ref"), responseField("app", "x-app"), responseField("none", "x-none"), responseField("again", "content-type"),
		proxy.LogField{Name: "proto", Text: func(x *proxy.Exchange) string { return x.Scheme() }},
	))
	want := func(request string, fields map[string]any) {
		t.Helper()
		g.serve(request)
		l := g.logged()
		for name, v := range fields {
			if l[name] != v {
				t.Errorf("%s is %#v, want %#v: %s", name, l[name], v, g.lines()[len(g.lines())-1])
			}
		}
	}
	want(get("/orders", "X-Ref: a\"\x01b"), map[string]any{"ref": "a\"\x01b", "app": "orders", "again": "application/json", "none": "", "proto": "http", "error": ""})
	// An answer of the gateway's own has its own fields, nothing is left of the last one.
	want(get("/nothing"), map[string]any{"ref": "", "again": "application/problem+json", "app": ""})
	g.script = func(*memory, int, *proxy.Exchange, *upstream.Endpoint) error {
		return failure(proxy.ClientGone, true, false)
	}
	want(get("/orders"), map[string]any{"app": "", "again": "", "status": 499.0})
}

// TestNotedIsACopy: when the line is written, the instance's connection, and the bytes
// of its answer's head, may be somebody else's.
func TestNotedIsACopy(t *testing.T) {
	g := newGateway(t, &memory{}, withFields(responseField("app", "x-app")))
	head := []byte(reply)
	g.script = func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
		m.answer(x, head)
		return nil
	}
	g.ended = func() { copy(head, strings.Repeat("x", len(head))) }
	g.serve(get("/orders"))
	if l := g.logged(); l["app"] != "orders" {
		t.Errorf("logged as %v", l)
	}
}

// TestLongFields: nobody stays out of the log by sending long values for its fields.
func TestLongFields(t *testing.T) {
	long := strings.Repeat("\x01", 30000)
	var fields []proxy.LogField
	for range 32 {
		fields = append(fields, requestField(strings.Repeat("n", 64), "user-agent"))
	}
	g := newGateway(t, &memory{reply: []byte(reply)}, withFields(fields...))
	g.serve(get("/orders?"+long, "User-Agent: "+long, "Referer: "+long))
	if n := g.sink.Dropped(); n != 0 || !json.Valid([]byte(g.lines()[0])) {
		t.Errorf("%d dropped: %.200s", n, g.lines())
	}
}

func TestQueryModes(t *testing.T) {
	const query = "page=2&token=USUAL&ours=OURS"
	for mode, want := range map[proxy.LogQuery]string{
		proxy.RedactedQuery: "page=2&token=REDACTED&ours=REDACTED",
		proxy.KeptQuery:     "page=2&token=USUAL&ours=REDACTED",
		proxy.NoQuery:       "",
	} {
		for _, format := range []proxy.LogFormat{proxy.JSONLog, proxy.CombinedLog} {
			g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) {
				s.secrets, s.format, s.log = []string{"ours"}, format, func(l *proxy.Log) { l.Query = mode }
			})
			g.serve(get("/orders?"+query, "Referer: https://example.com/a?"+query))
			line := g.lines()[0]
			path, referer := "/orders?"+want, "https://example.com/a?"+want
			if want == "" {
				path, referer = "/orders", "https://example.com/a"
			}
			if format == proxy.JSONLog {
				if l := g.logged(); l["query"] != want || l["referer"] != referer {
					t.Errorf("mode %d: %s", mode, line)
				}
			} else if !strings.Contains(line, " "+path+" HTTP/1.1") || !strings.Contains(line, `"`+referer+`"`) {
				t.Errorf("mode %d: %s", mode, line)
			}
		}
	}
}

func TestLogSample(t *testing.T) {
	status := func(n int) string {
		return strings.Replace(reply, "200 OK", map[int]string{200: "200 OK", 399: "399 X", 400: "400 X", 503: "503 X"}[n], 1)
	}
	for _, c := range []struct {
		name   string
		sample proxy.LogSample
		status int // of the instance; 0 is an answer of the gateway's own, 404
		kept   bool
	}{
		{"all", proxy.LogSample{KeepStatus: 400, OneIn: 1}, 200, true},
		{"none", proxy.LogSample{KeepStatus: 400}, 200, false},
		{"a good answer just below", proxy.LogSample{KeepStatus: 400}, 399, false},
		{"a bad answer", proxy.LogSample{KeepStatus: 400}, 400, true},
		{"a failure", proxy.LogSample{KeepStatus: 400}, 503, true},
		{"failures only", proxy.LogSample{KeepStatus: 500}, 400, false},
		{"the gateway's own", proxy.LogSample{KeepStatus: 400}, 0, true},
		{"a slow one", proxy.LogSample{KeepStatus: 400, KeepSlower: 1}, 200, true},
		{"a fast one", proxy.LogSample{KeepStatus: 400, KeepSlower: time.Hour}, 200, false},
		{"a route of its own", proxy.LogSample{KeepStatus: 400, Routes: map[string]uint64{"orders": 1}}, 200, true},
		{"a quiet route", proxy.LogSample{KeepStatus: 400, OneIn: 1, Routes: map[string]uint64{"orders": 0}}, 200, false},
		{"another route", proxy.LogSample{KeepStatus: 400, OneIn: 1, Routes: map[string]uint64{"others": 0}}, 200, true},
		{"no route, quiet", proxy.LogSample{KeepStatus: 500, OneIn: 1, Routes: map[string]uint64{"-": 0}}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := "/orders"
			if c.status == 0 {
				path = "/nothing"
			}
			g := newGateway(t, &memory{reply: []byte(status(max(c.status, 200)))}, func(s *setup) { s.log = func(l *proxy.Log) { l.Sample = &c.sample } })
			g.proxy.Serve(g.request([]byte(get(path)), g.conn))
			if n := len(g.lines()); (n == 1) != c.kept {
				t.Errorf("%d lines", n)
			}
		})
	}
}

func TestOneInSoMany(t *testing.T) {
	const requests, oneIn = 5000, 10
	g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) {
		s.log = func(l *proxy.Log) { l.Sample = &proxy.LogSample{KeepStatus: 400, OneIn: oneIn} }
	})
	for range requests {
		g.proxy.Serve(g.request([]byte(get("/orders")), g.conn))
	}
	// Eight standard deviations of the binomial distribution. What writes may be too
	// slow for so many lines at once, on a busy machine.
	got, want := float64(len(g.lines()))+float64(g.sink.Dropped()), requests/float64(oneIn)
	if spread := 8 * math.Sqrt(want*(1-1.0/oneIn)); math.Abs(got-want) > spread {
		t.Errorf("%v of %d have a line", got, requests)
	}
}

// TestSeveralLogs: each has its own lines.
func TestSeveralLogs(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)})
	other, file := accesslog.NewSink(1), new(logFile)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- other.Run(ctx, func() (io.WriteCloser, error) { return file, nil }) }()
	g.proxy.SetLogs(&proxy.Log{Sink: g.sink},
		&proxy.Log{Sink: other, Format: proxy.CommonLog, Sample: &proxy.LogSample{KeepStatus: 400}})
	g.serve(get("/orders"))
	g.serve(get("/nothing"))
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := file.b.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"GET /nothing HTTP/1.1" 404`) {
		t.Errorf("the other log holds %q", got)
	}
}

// TestUsualFields holds the names that no further field may have against what lines
// have.
func TestUsualFields(t *testing.T) {
	g, _ := traced(t, &memory{reply: []byte(reply)}, 1, true)
	g.serve(get("/orders"))
	names := 0
	for name := range g.logged() {
		if names++; !proxy.UsualLogField(name) {
			t.Errorf("%s is taken for a free name", name)
		}
	}
	if names != len(logFields)+2 || !slices.Contains(logFields, "status") || proxy.UsualLogField("tenant") {
		t.Errorf("%d names", names)
	}
}

// TestFieldsAllocateNothing, unless their own functions do.
func TestFieldsAllocateNothing(t *testing.T) {
	m := &memory{reply: []byte(reply)}
	g := newGateway(t, m, silent)
	sink := discarding(t, g)
	g.proxy.SetLogs(&proxy.Log{
		Sink: sink, Fields: []proxy.LogField{requestField("ref", "x-ref"), responseField("kind", "content-type")},
		Sample: &proxy.LogSample{KeepStatus: 400, OneIn: 2, Routes: map[string]uint64{"orders": 3}},
	})
	in := []byte(get("/orders", "X-Ref: a"))
	once := func() { g.proxy.Serve(m.request(in, g.conn)) }
	once()
	if n := testing.AllocsPerRun(1000, once); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}
