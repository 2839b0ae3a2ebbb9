package compress

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/upstream"
)

// script is an instance's body: "piece" is there, "wait:piece" is waited for.
type script struct {
	pieces []string
	err    error // after them; nil is a good end
}

func (s *script) Ready() bool {
	return len(s.pieces) > 0 && !strings.HasPrefix(s.pieces[0], "wait:") || len(s.pieces) == 0 && s.err == nil
}

func (s *script) Next() ([]byte, error) {
	if len(s.pieces) == 0 {
		if s.err != nil {
			return nil, s.err
		}
		return nil, io.EOF
	}
	p := strings.TrimPrefix(s.pieces[0], "wait:")
	s.pieces = s.pieces[1:]
	return []byte(p), nil
}
func (s *script) Trailer() *proxy.Fields { return nil }

// engine carries exchanges between a client and an instance that are both made up.
type engine struct {
	x     proxy.Exchange
	proxy *proxy.Proxy
	conn  *proxy.Conn
	route *proxy.Route

	status   int      // of the instance
	fields   []string // and what it says, names and values
	length   int64
	body     proxy.Body
	failBody bool // the client takes nothing

	head    map[string][]string // what the client gets
	told    int64               // the length that it is told
	unsent  []byte
	sent    []byte
	flushes []int // lengths of what was sent by then
	aborted bool
	ended   bool
	unwraps int // what Done found in front of the instance's body
}

func (e *engine) Interim(int, *proxy.Fields) error { return nil }
func (e *engine) Head(r *proxy.Response) error {
	e.head, e.told = map[string][]string{}, r.Length
	for i := range r.Fields.Len() {
		if r.Fields.Live(i) {
			n := string(r.Fields.Name(i))
			e.head[n] = append(e.head[n], string(r.Fields.Value(i)))
		}
	}
	return nil
}

func (e *engine) Body(p []byte) error {
	if e.failBody {
		return io.ErrClosedPipe
	}
	e.unsent = append(e.unsent, p...)
	return nil
}

func (e *engine) Flush() error {
	e.sent, e.unsent = append(e.sent, e.unsent...), e.unsent[:0]
	e.flushes = append(e.flushes, len(e.sent))
	return nil
}

func (e *engine) End(*proxy.Fields) error {
	e.sent, e.unsent, e.ended = append(e.sent, e.unsent...), e.unsent[:0], true
	return nil
}
func (e *engine) Abort()                              { e.aborted = true }
func (e *engine) Tunnel() (io.ReadWriteCloser, error) { return nil, io.ErrClosedPipe }
func (e *engine) Context() context.Context            { return context.Background() }

func (e *engine) Forward(x *proxy.Exchange, _ *upstream.Endpoint) error {
	r := &x.Response
	r.Fields.Reset(nil)
	r.Status, r.Length, r.Body = e.status, e.length, e.body
	for i := 0; i < len(e.fields); i += 2 {
		r.Fields.Foreign(e.fields[i], e.fields[i+1])
	}
	return nil
}

func (e *engine) Done(x *proxy.Exchange, _ bool) {
	b := x.Response.Body
	for b != nil && b != e.body {
		b = b.(interface{ Unwrap() proxy.Body }).Unwrap()
		e.unwraps++
	}
}

// newEngine is a gateway with one route.
func newEngine(t testing.TB, steps ...proxy.Step) *engine {
	t.Helper()
	set := upstream.NewSet(upstream.Options{})
	pool, err := set.Pool(upstream.PoolSpec{Service: "web"})
	if err != nil {
		t.Fatal(err)
	}
	set.Apply(&catalog.Snapshot{Source: "static", Services: map[string]*catalog.Service{
		"web": {Name: "web", Instances: []catalog.Instance{{Key: "a", Address: "10.0.0.1", Port: 80, Weight: 1}}},
	}})
	e := &engine{conn: proxy.NewConn(&proxy.Listener{}, netip.MustParseAddrPort("192.0.2.7:1"), false)}
	e.route = &proxy.Route{Rule: router.Rule{Name: "web"}, Service: "web", Pool: pool, Steps: steps}
	table, err := proxy.NewTable(1, nil, []*proxy.Route{e.route})
	if err != nil {
		t.Fatal(err)
	}
	e.proxy = proxy.New(limits.NewClock(), e)
	e.proxy.Swap(table)
	return e
}

// answers makes the instance answer so from now on.
func (e *engine) answers(status int, length int64, body proxy.Body, fields ...string) {
	e.status, e.length, e.body, e.fields = status, length, body, fields
}

// ask sends a request.
func (e *engine) ask(method string, protocol proxy.Protocol, fields ...string) {
	q := &e.x.Request
	q.Method, q.Verb, q.Path, q.Host, q.Protocol = []byte(method), proxy.MethodOf([]byte(method)), []byte("/"), []byte("x"), protocol
	q.Fields.Reset(nil)
	for i := 0; i < len(fields); i += 2 {
		q.Fields.Foreign(fields[i], fields[i+1])
	}
	e.x.W, e.x.Conn = e, e.conn
	e.sent, e.unsent, e.flushes, e.aborted, e.ended, e.unwraps = e.sent[:0], e.unsent[:0], e.flushes[:0], false, false, 0
	e.proxy.Serve(&e.x)
}

// plain decodes as much of coded bytes as there is. err is nil when that is all.
func plain(t testing.TB, c Coding, coded []byte) (text string, err error) {
	t.Helper()
	var r io.Reader
	switch c {
	case Zstd:
		d, err := zstd.NewReader(bytes.NewReader(coded), zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		r = d
	case Brotli:
		r = brotli.NewReader(bytes.NewReader(coded))
	case Gzip:
		d, err := gzip.NewReader(bytes.NewReader(coded))
		if err != nil {
			return "", err
		}
		r = d
	default:
		r = bytes.NewReader(coded)
	}
	var b strings.Builder
	_, err = io.Copy(&b, r)
	return b.String(), err
}

// spec has all defaults, and one coding.
func spec(codings ...Coding) *Spec {
	return &Spec{Enabled: true, Algorithms: codings, Types: DefaultTypes(), MinLength: DefaultMinLength, MaxConcurrent: DefaultMaxConcurrent}
}

// each runs a test for every coding.
func each(t *testing.T, f func(t *testing.T, c Coding)) {
	t.Helper()
	for _, c := range []Coding{Zstd, Brotli, Gzip} {
		t.Run(c.String(), func(t *testing.T) { f(t, c) })
	}
}
