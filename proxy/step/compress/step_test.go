package compress

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

var long = strings.Repeat("All roads lead to Rome. ", 100)

func whole(text string) *script { return &script{pieces: []string{text}} }

func TestCompresses(t *testing.T) {
	each(t, func(t *testing.T, c Coding) {
		e := newEngine(t, New(spec(c)))
		for _, length := range []int64{int64(len(long)), proxy.Unknown} {
			e.answers(200, length, whole(long), "Content-Type", "text/html", "ETag", `"a"`, "Accept-Ranges", "bytes", "X-App", "1")
			e.ask("GET", proxy.HTTP11, "Accept-Encoding", c.String())
			got, err := plain(t, c, e.sent)
			if err != nil || got != long || !e.ended || e.told != proxy.Unknown {
				t.Fatalf("%d bytes of %d, told %d, ended %v: %v", len(got), len(long), e.told, e.ended, err)
			}
			if len(e.sent) >= len(long)/4 || e.x.BytesOut != int64(len(e.sent)) {
				t.Errorf("%d bytes sent, %d counted", len(e.sent), e.x.BytesOut)
			}
			for name, want := range map[string][]string{
				"Content-Encoding": {c.String()}, "Vary": {"Accept-Encoding"}, "ETag": {`W/"a"`}, "Accept-Ranges": nil, "X-App": {"1"},
			} {
				if !slices.Equal(e.head[name], want) {
					t.Errorf("%s is %q, want %q", name, e.head[name], want)
				}
			}
			if e.unwraps != 1 {
				t.Errorf("the engine finds the instance's body behind %d others", e.unwraps)
			}
		}
	})
}

// TestLeavesAlone lists what is not compressed, and whether Vary is told.
func TestLeavesAlone(t *testing.T) {
	for _, c := range []struct {
		name    string
		method  string
		status  int
		length  int64
		fields  []string
		request []string
		varies  bool
	}{
		{name: "nobody asks", varies: true, request: []string{"X", ""}},
		{name: "another coding", varies: true, request: []string{"Accept-Encoding", "deflate"}},
		{name: "identity preferred", varies: true, request: []string{"Accept-Encoding", "identity, gzip;q=0.5"}},
		{name: "small", length: DefaultMinLength - 1},
		{name: "type", fields: []string{"Content-Type", "image/png"}},
		{name: "no type", fields: []string{"X", ""}},
		{name: "gRPC", fields: []string{"Content-Type", "application/grpc+json"}},
		{name: "coded", fields: []string{"Content-Type", "text/html", "Content-Encoding", "br"}},
		{name: "no-transform", fields: []string{"Content-Type", "text/html", "Cache-Control", "max-age=5, No-Transform"}},
		{name: "no-transform asked", request: []string{"Accept-Encoding", "gzip", "Cache-Control", "no-transform"}},
		{name: "part", status: 206, fields: []string{"Content-Type", "text/html", "Content-Range", "bytes 0-1/2"}},
		{name: "ranged otherwise", fields: []string{"Content-Type", "text/html", "Content-Range", "bytes 0-1/2"}},
		{name: "digest", fields: []string{"Content-Type", "text/html", "repr-digest", "sha-256=:x:"}},
		{name: "no content", status: 204},
		{name: "reset content", status: 205},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEngine(t, New(spec(Gzip)))
			if c.fields == nil {
				c.fields = []string{"Content-Type", "text/html"}
			}
			if c.request == nil {
				c.request = []string{"Accept-Encoding", "gzip"}
			}
			if c.length == 0 {
				c.length = int64(len(long))
			}
			e.answers(max(c.status, 200), c.length, whole(long), append(c.fields, "ETag", `"a"`, "Accept-Ranges", "bytes")...)
			e.ask("GET", proxy.HTTP11, c.request...)
			if string(e.sent) != long || e.told != c.length || !slices.Equal(e.head["ETag"], []string{`"a"`}) || e.head["Accept-Ranges"] == nil {
				t.Errorf("it was touched: %v", e.head)
			}
			if varies := e.head["Vary"] != nil; varies != c.varies {
				t.Errorf("Vary is %q", e.head["Vary"])
			}
		})
	}
}

// TestOldClients: HTTP/1.0 has no chunks.
func TestOldClients(t *testing.T) {
	e := newEngine(t, New(spec(Gzip)))
	e.answers(200, int64(len(long)), whole(long), "Content-Type", "text/html")
	e.ask("GET", proxy.HTTP10, "Accept-Encoding", "gzip")
	if string(e.sent) != long || e.head["Vary"] == nil {
		t.Errorf("%v", e.head)
	}
}

// TestSmallWhenIdentityIsRefused: then size does not matter.
func TestSmallWhenIdentityIsRefused(t *testing.T) {
	e := newEngine(t, New(spec(Gzip)))
	e.answers(200, 2, whole("ok"), "Content-Type", "text/html")
	e.ask("GET", proxy.HTTP11, "Accept-Encoding", "gzip, identity;q=0")
	if got, err := plain(t, Gzip, e.sent); got != "ok" || err != nil {
		t.Errorf("%q, %v, %v", got, err, e.head)
	}
}

// TestHead: the head of an answer to HEAD is GET's.
func TestHead(t *testing.T) {
	s := New(spec(Gzip))
	e := newEngine(t, s)
	e.answers(200, 5000, nil, "Content-Type", "text/html", "ETag", `"a"`)
	e.ask("HEAD", proxy.HTTP11, "Accept-Encoding", "gzip")
	if e.told != proxy.Unknown || e.head["Content-Encoding"] == nil || e.head["ETag"][0] != `W/"a"` || e.head["Vary"] == nil {
		t.Errorf("told %d: %v", e.told, e.head)
	}
	if s.open.Load() != 0 {
		t.Error("an encoder was taken")
	}
}

func TestVaryIsToldOnce(t *testing.T) {
	for given, want := range map[string][]string{
		"Accept-Encoding": {"Accept-Encoding"}, "origin, ACCEPT-ENCODING": {"origin, ACCEPT-ENCODING"}, "*": {"*"}, "Origin": {"Origin", "Accept-Encoding"},
	} {
		e := newEngine(t, New(spec(Gzip)))
		e.answers(200, int64(len(long)), whole(long), "Content-Type", "text/html", "Vary", given)
		e.ask("GET", proxy.HTTP11)
		if !slices.Equal(e.head["Vary"], want) {
			t.Errorf("%q became %q", given, e.head["Vary"])
		}
	}
}

// TestNotModified: the validator of a 304 is the one that the client has kept.
func TestNotModified(t *testing.T) {
	for _, c := range []struct{ known, tag, want string }{
		{`W/"a"`, `"a"`, `W/"a"`},
		{`"b", W/"a"`, `"a"`, `W/"a"`},
		{`"a", W/"a"`, `"a"`, `W/"a"`},
		{`"a"`, `"a"`, `"a"`},
		{`W/"b"`, `"a"`, `"a"`},
		{`W/"a"`, `W/"a"`, `W/"a"`},
		{`*`, `"a"`, `"a"`},
	} {
		e := newEngine(t, New(spec(Gzip)))
		e.answers(304, 0, nil, "ETag", c.tag)
		e.ask("GET", proxy.HTTP11, "Accept-Encoding", "gzip", "If-None-Match", c.known)
		if got := e.head["ETag"]; !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s for who knows %s became %q", c.tag, c.known, got)
		}
	}
}

// TestEventsArriveAtOnce: whatever the instance has sent is with the client before
// the gateway waits for more.
func TestEventsArriveAtOnce(t *testing.T) {
	each(t, func(t *testing.T, c Coding) {
		events := []string{"wait:data: 1\n\n", "wait:data: 2\n\n", "data: 3\n\n", "wait:data: 4\n\n"}
		e := newEngine(t, New(spec(c)))
		e.answers(200, proxy.Unknown, &script{pieces: slices.Clone(events)}, "Content-Type", "text/event-stream")
		e.ask("GET", proxy.HTTP11, "Accept-Encoding", c.String())
		want := []string{"", "data: 1\n\n", "data: 1\n\ndata: 2\n\ndata: 3\n\n"}
		if len(e.flushes) != len(want) {
			t.Fatalf("flushed at %v", e.flushes)
		}
		for i, n := range e.flushes {
			if n == 0 && want[i] == "" {
				continue
			}
			if got, _ := plain(t, c, e.sent[:n]); got != want[i] {
				t.Errorf("by flush %d the client has %q, want %q", i, got, want[i])
			}
		}
		if got, err := plain(t, c, e.sent); err != nil || got != strings.ReplaceAll(strings.Join(events, ""), "wait:", "") {
			t.Errorf("in the end it has %q, %v", got, err)
		}
	})
}

// TestKnownLengthIsNotCutUp: a body whose end is in sight costs no flush.
func TestKnownLengthIsNotCutUp(t *testing.T) {
	each(t, func(t *testing.T, c Coding) {
		e := newEngine(t, New(spec(c)))
		var waits []string
		for range 10 {
			waits = append(waits, "wait:"+long)
		}
		e.answers(200, int64(10*len(long)), &script{pieces: slices.Clone(waits)}, "Content-Type", "text/plain")
		e.ask("GET", proxy.HTTP11, "Accept-Encoding", c.String())
		cut := len(e.sent)
		e.answers(200, int64(10*len(long)), whole(strings.Repeat(long, 10)), "Content-Type", "text/plain")
		e.ask("GET", proxy.HTTP11, "Accept-Encoding", c.String())
		if got, err := plain(t, c, e.sent); err != nil || len(got) != 10*len(long) || cut > len(e.sent)+len(e.sent)/4+16 {
			t.Errorf("%d bytes in pieces, %d as a whole: %v", cut, len(e.sent), err)
		}
	})
}

// TestBreaksOff: what came gets to the client, and it can tell that it is not all.
func TestBreaksOff(t *testing.T) {
	each(t, func(t *testing.T, c Coding) {
		for _, length := range []int64{proxy.Unknown, 2 * int64(len(long))} {
			s := New(spec(c))
			e := newEngine(t, s)
			e.answers(200, length, &script{pieces: []string{long}, err: errors.New("reset")}, "Content-Type", "text/plain")
			e.ask("GET", proxy.HTTP11, "Accept-Encoding", c.String())
			got, err := plain(t, c, append(e.sent, e.unsent...))
			if got != long || err == nil || !e.aborted || e.ended {
				t.Errorf("%d bytes, %v; aborted %v, ended %v", len(got), err, e.aborted, e.ended)
			}
			if s.open.Load() != 0 {
				t.Error("the encoder was not given back")
			}
		}
	})
}

// TestEncodersComeBack however an exchange ends, and are as new.
func TestEncodersComeBack(t *testing.T) {
	each(t, func(t *testing.T, c Coding) {
		s := New(spec(c))
		e := newEngine(t, s)
		noise := rand.New(rand.NewPCG(1, 2))
		for i := range 30 {
			b := make([]byte, noise.IntN(100<<10)+2048)
			for j := range b {
				b[j] = "0123456789abcdef\n"[noise.IntN(17)]
			}
			text := string(b)
			body := &script{pieces: []string{text[:100], "wait:" + text[100:]}}
			if i%3 == 1 {
				body.err = io.ErrUnexpectedEOF
			}
			e.failBody = i%3 == 2
			e.answers(200, proxy.Unknown, body, "Content-Type", "text/plain")
			e.ask("GET", proxy.HTTP11, "Accept-Encoding", c.String())
			if n := s.open.Load(); n != 0 {
				t.Fatalf("%d encoders are in use", n)
			}
			if e.failBody || body.err != nil {
				continue
			}
			if got, err := plain(t, c, e.sent); err != nil || got != text {
				t.Fatalf("%d bytes of %d: %v", len(got), len(text), err)
			}
		}
	})
}

// TestTooManyAtOnce: the next answer goes as it is, and is the one for everybody.
func TestTooManyAtOnce(t *testing.T) {
	o := spec(Gzip)
	o.MaxConcurrent = 1
	s := New(o)
	held := s.take(Gzip)
	if held == nil {
		t.Fatal("no encoder")
	}
	e := newEngine(t, s)
	for _, coded := range []bool{false, true} {
		e.answers(200, int64(len(long)), whole(long), "Content-Type", "text/plain", "ETag", `"a"`)
		e.ask("GET", proxy.HTTP11, "Accept-Encoding", "gzip")
		if got := e.head["Content-Encoding"] != nil; got != coded || e.head["Vary"] == nil || coded == (e.head["ETag"][0] == `"a"`) {
			t.Errorf("%v", e.head)
		}
		if !coded {
			held.src = whole("")
			held.Release()
		}
	}
	e.route.Metrics.EachStepResult(func(step, result string, n uint64) {
		if step != "compression" || n != 1 || result != "compressed" && result != "overloaded" {
			t.Errorf("%s %s: %d", step, result, n)
		}
	})
}
