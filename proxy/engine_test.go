package proxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/accesslog"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/step/limit"
	"github.com/lictor/lictor/proxy/upstream"
)

// memory is an engine whose wire is a slice of bytes. It is both halves, parses
// just what its requests hold, and does nothing on its own that allocates, so
// that what is measured is the pipeline.
type memory struct {
	ended func() // when the connection is given back
	x     proxy.Exchange
	reply []byte // what the instance answers, a head with its body
	// script plays the instance instead, when it is not nil. It is told which
	// attempt this is, from 1.
	script func(m *memory, try int, x *proxy.Exchange, ep *upstreamEndpoint) error
	// fail makes the call of that name fail: "head", "body", "end", "flush".
	fail string
	ctx  context.Context //nolint:containedctx // it plays the connection's
	down io.ReadWriteCloser

	in, out onceBody // bodies of the request and the reply

	// What happened, for tests to look at.
	wire   []byte // to the client
	sent   []byte // to the instance, in the last attempt
	events []string
	traced bool // whether events are noted
	tries  int
	tried  []string // endpoints, when traced
	done   []bool
	heads  int
	ends   int
	aborts int
}

var errScripted = errors.New("scripted failure")

// note records an event for tests that look at the order of things.
func (m *memory) note(event string) {
	if m.traced {
		m.events = append(m.events, event)
	}
}

// onceBody is a body of one piece.
type onceBody struct {
	b    []byte
	done bool
}

func (b *onceBody) Next() ([]byte, error) {
	if b.done {
		return nil, io.EOF
	}
	b.done = true
	return b.b, nil
}
func (b *onceBody) Ready() bool            { return true }
func (b *onceBody) Trailer() *proxy.Fields { return nil }

// parseHead fills fields from the lines between from and the empty line, and
// returns where the body begins.
func parseHead(f *proxy.Fields, raw []byte, from int) int {
	f.Reset(raw)
	for {
		n := bytes.Index(raw[from:], []byte("\r\n"))
		if n < 0 {
			return len(raw)
		}
		end := from + n
		if n == 0 {
			return end + 2
		}
		if colon := bytes.IndexByte(raw[from:end], ':'); colon > 0 {
			colon += from
			value := bytes.TrimLeft(raw[colon+1:end], " ")
			at := end - len(value)
			f.Received(from, colon-from, at, end-at, at == colon+2)
		}
		from = end + 2
	}
}

func (m *memory) request(raw []byte, c *proxy.Conn) *proxy.Exchange {
	x := &m.x
	q := &x.Request
	line, _, _ := bytes.Cut(raw, []byte("\r\n"))
	first := bytes.IndexByte(line, ' ')
	last := bytes.LastIndexByte(line, ' ')
	q.Method = raw[:first]
	q.Verb = proxy.MethodOf(q.Method)
	q.Target = raw[first+1 : last]
	q.Path, q.Query, q.HasQuery = bytes.Cut(q.Target, []byte{'?'})
	q.Protocol = proxy.HTTP11
	at := parseHead(&q.Fields, raw, len(line)+2)
	q.WebSocket = q.Fields.HasToken(proxy.UpgradeField, "websocket")
	q.Fields.DropNominated()
	q.Host = q.Fields.Get(proxy.Host)
	q.Length = int64(len(raw) - at)
	q.Body = nil
	if q.Length > 0 {
		m.in = onceBody{b: raw[at:]}
		q.Body = &m.in
	}
	x.W, x.Conn = m, c
	m.wire, m.sent, m.events, m.tried, m.done = m.wire[:0], m.sent[:0], m.events[:0], m.tried[:0], m.done[:0]
	m.tries, m.heads, m.ends, m.aborts = 0, 0, 0, 0
	return x
}

func (m *memory) failed(call string) error {
	m.note(call)
	if m.fail == call {
		return errScripted
	}
	return nil
}

func (m *memory) Interim(status int, _ *proxy.Fields) error {
	return m.failed("interim " + strconv.Itoa(status))
}

func (m *memory) Head(r *proxy.Response) error {
	m.heads++
	m.wire = append(m.wire, "HTTP/1.1 "...)
	m.wire = strconv.AppendInt(m.wire, int64(r.Status), 10)
	m.wire = append(m.wire, '\r', '\n')
	m.wire = r.Fields.AppendLines(m.wire)
	m.wire = append(m.wire, '\r', '\n')
	return m.failed("head")
}

func (m *memory) Body(p []byte) error {
	m.wire = append(m.wire, p...)
	if m.traced {
		m.note("body " + string(p))
	}
	if m.fail == "body" {
		return errScripted
	}
	return nil
}

func (m *memory) Flush() error { return m.failed("flush") }

func (m *memory) End(trailer *proxy.Fields) error {
	m.ends++
	if trailer != nil {
		m.wire = trailer.AppendLines(m.wire)
	}
	return m.failed("end")
}

func (m *memory) Abort() {
	m.aborts++
	m.note("abort")
}

func (m *memory) Tunnel() (io.ReadWriteCloser, error) {
	m.note("tunnel")
	if m.down == nil {
		return nil, errScripted
	}
	return m.down, nil
}

func (m *memory) Context() context.Context {
	if m.ctx != nil {
		return m.ctx
	}
	return context.Background()
}

// Forward plays the instance.
func (m *memory) Forward(x *proxy.Exchange, ep *upstream.Endpoint) error {
	m.tries++
	m.note("forward")
	if m.traced {
		m.tried = append(m.tried, ep.Key())
	}
	if m.script != nil {
		return m.script(m, m.tries, x, ep)
	}
	m.send(x)
	m.answer(x, m.reply)
	return nil
}

// send takes the whole request.
func (m *memory) send(x *proxy.Exchange) {
	m.sendHead(x)
	for x.Request.Body != nil {
		b, err := x.Request.Body.Next()
		if err != nil {
			break
		}
		m.sent = append(m.sent, b...)
	}
}

func (m *memory) sendHead(x *proxy.Exchange) {
	m.sent = append(m.sent[:0], x.Request.Method...)
	m.sent = append(append(m.sent, ' '), x.Request.Path...)
	m.sent = append(m.sent, " HTTP/1.1\r\nHost: "...)
	if h := x.Route.HostHeader; h != "" {
		m.sent = append(m.sent, h...)
	} else {
		m.sent = append(m.sent, x.Request.Host...)
	}
	m.sent = append(m.sent, '\r', '\n')
	m.sent = x.Request.Fields.AppendLines(m.sent)
	m.sent = append(m.sent, '\r', '\n')
}

// answer fills in the response from raw bytes.
func (m *memory) answer(x *proxy.Exchange, raw []byte) {
	r := &x.Response
	r.Status = int(raw[9]-'0')*100 + int(raw[10]-'0')*10 + int(raw[11]-'0')
	at := parseHead(&r.Fields, raw, bytes.IndexByte(raw, '\n')+1)
	r.Fields.DropNominated()
	r.Length = int64(len(raw) - at)
	m.out = onceBody{b: raw[at:]}
	r.Body = &m.out
}

func (m *memory) Done(_ *proxy.Exchange, complete bool) {
	m.done = append(m.done, complete)
	m.note("done")
	if m.ended != nil {
		m.ended()
	}
}

// setup is what tests vary of a gateway.
type setup struct {
	peer      string
	tls       bool
	listener  proxy.Listener
	route     proxy.Route
	spec      upstream.PoolSpec
	instances []catalog.Instance
	unknown   bool // no source has answered
	gateway   []proxy.Step
	secrets   []string
	log       func(*proxy.Log) // edits the access log
	format    proxy.LogFormat
	silent    bool // no access log
}

// gateway is the whole pipeline in front of a memory engine.
type gateway struct {
	*memory
	t     testing.TB
	proxy *proxy.Proxy
	set   *upstream.Set
	conn  *proxy.Conn
	limit *limit.Limit
	sink  *accesslog.Sink
	file  *logFile
}

// logFile is an access log in memory.
type logFile struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (f *logFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.Write(p)
}
func (f *logFile) Close() error { return nil }

// newLimit returns a limit keyed by the client's address.
func newLimit(t testing.TB, name, rate string, burst int64, edit ...func(*limit.Spec)) *limit.Limit {
	t.Helper()
	block := &limits.TokenBucket{Rate: rate, Burst: burst}
	spec, err := block.Spec()
	if err != nil {
		t.Fatal(err)
	}
	s := limit.Spec{
		Name: name, Algorithm: limits.TokenBucketName, Limit: spec, Cost: 1,
		Key: []limit.KeyPart{{Kind: limit.ClientIP}}, IPv4Prefix: 32, IPv6Prefix: 64,
	}
	for _, e := range edit {
		e(&s)
	}
	return limit.New(s, spec.New(limits.Options{}), nil, nil)
}

func newGateway(t testing.TB, m *memory, options ...func(*setup)) *gateway {
	t.Helper()
	g := &gateway{memory: m, t: t, set: upstream.NewSet(upstream.Options{})}
	g.limit = newLimit(t, "per_ip", "1000000000/s", 0)
	s := &setup{
		peer: "192.0.2.7:40000",
		spec: upstream.PoolSpec{Service: "orders"},
		instances: []catalog.Instance{
			{Key: "a", Address: "10.0.0.1", Port: 80, Weight: 1},
			{Key: "b", Address: "10.0.0.2", Port: 80, Weight: 1},
		},
	}
	s.listener.Name, s.listener.Port = "public", 8080
	s.listener.Path = router.PathOptions{MergeSlashes: true}
	s.route.Rule = router.Rule{Name: "orders", PathPrefix: "/orders"}
	s.route.Service = "orders"
	s.route.Steps = []proxy.Step{limit.NewPhase([]*limit.Limit{g.limit}, limits.NewWaiters(1))}
	for _, o := range options {
		o(s)
	}
	pool, err := g.set.Pool(s.spec)
	if err != nil {
		t.Fatal(err)
	}
	if !s.unknown {
		g.set.Apply(&catalog.Snapshot{Source: "static", Services: map[string]*catalog.Service{
			"orders": {Name: "orders", Instances: s.instances},
		}})
	}
	s.route.Pool = pool
	table, err := proxy.NewTable(1, s.gateway, []*proxy.Route{&s.route})
	if err != nil {
		t.Fatal(err)
	}
	table.SecretParameters = s.secrets
	g.proxy = proxy.New(limits.NewClock(), m)
	g.proxy.Swap(table)
	g.conn = proxy.NewConn(&s.listener, netip.MustParseAddrPort(s.peer), s.tls)
	if !s.silent {
		g.startLog(s.format, s.log)
	}
	return g
}

func (g *gateway) startLog(format proxy.LogFormat, edit func(*proxy.Log)) {
	g.sink, g.file = accesslog.NewSink(1), new(logFile)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.sink.Run(ctx, func() (io.WriteCloser, error) { return g.file, nil }) }()
	g.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			g.t.Error(err)
		}
	})
	l := &proxy.Log{Sink: g.sink, Format: format}
	if edit != nil {
		edit(l)
	}
	g.proxy.SetLogs(l)
}

// trusting makes the client a trusted proxy.
func trusting(s *setup) {
	s.listener.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
}

// unlimited leaves the route without limits.
func unlimited(s *setup) { s.route.Steps = nil }

// serve carries one request through the gateway and holds what must be true of
// every one: it was answered or aborted once, logged once, and released.
func (g *gateway) serve(raw string) {
	g.t.Helper()
	g.traced = true
	before := 0
	if g.file != nil {
		before = len(g.lines())
	}
	g.proxy.Serve(g.request([]byte(raw), g.conn))
	g.settled()
	if g.file != nil {
		if n := len(g.lines()) - before; n != 1 {
			g.t.Errorf("%d log lines for one exchange", n)
		}
	}
}

// settled checks what holds between two exchanges.
func (g *gateway) settled() {
	g.t.Helper()
	if g.heads > 1 || g.ends+min(1, g.aborts) != 1 && g.down == nil && g.fail != "end" {
		g.t.Errorf("%d heads, %d ends, %d aborts: %q", g.heads, g.ends, g.aborts, g.events)
	}
	if n := g.proxy.InFlight(); n != 0 {
		g.t.Errorf("the pipeline has %d in flight", n)
	}
	if n := g.inFlight(); n != 0 {
		g.t.Errorf("the pool has %d in flight", n)
	}
}

func (g *gateway) inFlight() (n int) {
	for _, s := range g.set.Describe(time.Now()) {
		n += s.InFlight
	}
	return n
}

// lines returns the access log so far.
func (g *gateway) lines() []string {
	g.t.Helper()
	if err := g.sink.Flush(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	g.file.mu.Lock()
	defer g.file.mu.Unlock()
	text := g.file.b.String()
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// logged returns the last line of a JSON log.
func (g *gateway) logged() map[string]any {
	g.t.Helper()
	lines := g.lines()
	if len(lines) == 0 {
		g.t.Fatal("nothing was logged")
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		g.t.Fatalf("%v: %s", err, lines[len(lines)-1])
	}
	return line
}

// message is a head and a body, taken apart without the pipeline's own code.
type message struct {
	start  string
	fields [][2]string
	body   string
}

func parseMessage(raw []byte) (m message) {
	head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m.start, m.body = lines[0], body
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		m.fields = append(m.fields, [2]string{name, value})
	}
	return m
}

// all returns the values of every line of that name.
func (m message) all(name string) (values []string) {
	for _, f := range m.fields {
		if strings.EqualFold(f[0], name) {
			values = append(values, f[1])
		}
	}
	return values
}

// get returns the only value of that name, "-" when there is none and the
// number of lines when there are several.
func (m message) get(name string) string {
	switch v := m.all(name); len(v) {
	case 0:
		return "-"
	case 1:
		return v[0]
	default:
		return strconv.Itoa(len(v)) + " lines: " + strings.Join(v, " | ")
	}
}

func (m message) names() (names []string) {
	for _, f := range m.fields {
		names = append(names, f[0])
	}
	slices.Sort(names)
	return names
}

// answered and forwarded are what the client and the instance got.
func (m *memory) answered() message  { return parseMessage(m.wire) }
func (m *memory) forwarded() message { return parseMessage(m.sent) }

// get is a plain request with more lines.
func get(path string, lines ...string) string {
	return method("GET", path, lines...)
}

func method(verb, path string, lines ...string) string {
	var b strings.Builder
	b.WriteString(verb + " " + path + " HTTP/1.1\r\nHost: api.example.com\r\n")
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	return b.String() + "\r\n"
}

const reply = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: keep-alive\r\nX-App: orders\r\n\r\n{\"ok\":true}"

// upstreamEndpoint is short for what scripts are handed.
type upstreamEndpoint = upstream.Endpoint
