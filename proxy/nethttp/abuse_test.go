package nethttp_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// An attacker makes few bytes a lot of fields: an entry of the table of 4 KB, named
// again and again by one byte.
func TestHPACKBomb(t *testing.T) {
	g := bounded(t, false, wasteful(t))
	served := victim(t, g)
	served()
	before := heap()
	a := attack(t, g)
	a.listen()
	value := strings.Repeat("x", 4000)
	for stream := uint32(1); stream < 40; stream += 2 {
		block := a.block(get("/slow")...)
		a.head.Reset()
		for range 10_000 { // 40 MB; after the first time a byte each
			if err := a.enc.WriteField(hpack.HeaderField{Name: "bomb", Value: value}); err != nil {
				t.Fatal(err)
			}
		}
		block = append(block, a.head.Bytes()...)
		if len(block) > 16<<10 {
			t.Fatalf("the bomb is no bomb: %d bytes", len(block))
		}
		if err := a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
			break // thrown out
		}
	}
	if e := a.until("an answer", func(e event) bool { return e.kind == http2.FrameHeaders || e.kind == http2.FrameGoAway }); e.kind == http2.FrameHeaders && e.status != "431" {
		t.Errorf("answered %s", e.status)
	}
	served()
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d MiB are held", grown>>20)
	}
	if n := g.Proxy.InFlight(); n != 0 {
		t.Errorf("%d requests went through", n)
	}
}

// overflowing is an instance that sends for as long as somebody takes it, and how often
// it has begun to.
func overflowing(t *testing.T) (string, *atomic.Int64) {
	begun := new(atomic.Int64)
	return loopback.Instance(t, loopback.Listen(t), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ok" {
			_, _ = io.WriteString(w, "ok")
			return
		}
		begun.Add(1)
		for piece := make([]byte, 64<<10); r.Context().Err() == nil; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}), begun
}

// Who asks for much and takes nothing, by HTTP/2's own flow control, loses its
// streams after the route's idle time.
func TestZeroWindow(t *testing.T) {
	instance, _ := overflowing(t)
	g := impatient(t, instance)
	served := victim(t, g)
	before := heap()
	a := attack(t, g, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	a.listen()
	const streams = 100
	for n := range uint32(streams) {
		if err := a.headers(2*n+1, true, get("/much")...); err != nil {
			t.Fatal(err)
		}
	}
	reset := map[uint32]bool{}
	a.until("the streams' ends", func(e event) bool {
		if e.kind == http2.FrameRSTStream {
			reset[e.stream] = true
		}
		return len(reset) == streams
	})
	g.WaitIdle()
	served()
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d MiB are held", grown>>20)
	}
}

// Who takes nothing by that of TCP loses its connection after the listener's.
func TestSlowRead(t *testing.T) {
	instance, begun := overflowing(t)
	g := impatient(t, instance)
	served := victim(t, g)
	a := attack(t, g, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	if err := a.fr.WriteWindowUpdate(0, 1<<30); err != nil {
		t.Fatal(err)
	}
	for n := range uint32(100) {
		if err := a.headers(2*n+1, true, get("/much")...); err != nil {
			t.Fatal(err)
		}
	}
	loopback.Eventually(t, "the streams go through", func() bool { return begun.Load() > 0 })
	g.WaitIdle()
	loopback.Eventually(t, "the connection's end", func() bool { return g.Listener.Open.Load() == 0 })
	served()
}

// impatient starts a gateway that waits for nobody for long.
func impatient(t *testing.T, instances ...string) *gateway {
	return startGateway(t, func(r *proxy.Route, o *nethttp.Options, _ *nethttp.ForwarderOptions) {
		r.IdleTimeout, o.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond
		o.MaxConcurrentStreams, o.MaxWastedFrames = 128, 1000
	}, instances...)
}

// One more stream than there may be is refused, so that it can be tried elsewhere.
func TestConcurrentStreams(t *testing.T) {
	g := bounded(t, false, wasteful(t))
	a := attack(t, g)
	a.listen()
	for n := range uint32(129) {
		if err := a.headers(2*n+1, true, get("/slow")...); err != nil {
			t.Fatal(err)
		}
	}
	e := a.until("a refusal", func(e event) bool { return e.kind == http2.FrameRSTStream })
	if e.stream != 2*128+1 || e.code != http2.ErrCodeRefusedStream {
		t.Errorf("stream %d ended with %s", e.stream, e.code)
	}
}

// What may keep a client busy for as long as it likes is not taken for a flood.
func TestHonestClientsStay(t *testing.T) {
	g := startGateway(t, func(_ *proxy.Route, o *nethttp.Options, _ *nethttp.ForwarderOptions) { o.MaxWastedFrames = 10 },
		loopback.Instance(t, loopback.Listen(t), func(w http.ResponseWriter, r *http.Request) {
			for range 50 {
				_, _ = io.WriteString(w, "a piece")
				if http.NewResponseController(w).Flush() != nil {
					return
				}
			}
			if r.URL.Path == "/stays" {
				<-r.Context().Done()
			}
		}))
	a := attack(t, g)
	a.listen()
	path := func(n uint32) string {
		if n%2 == 0 {
			return "/stays"
		}
		return "/ends"
	}
	for n := range uint32(200) {
		stream := 2*n + 1
		if err := a.headers(stream, true, get(path(n))...); err != nil {
			t.Fatal(err)
		}
		taken := 0
		a.until("the stream's end", func(e event) bool {
			if e.kind != http2.FrameData || e.stream != stream {
				return false
			}
			if taken += len(e.data); len(e.data) > 0 { // as clients do that are not thrifty
				if err := a.fr.WriteWindowUpdate(0, uint32(len(e.data))); err != nil {
					t.Fatal(err)
				}
				if err := a.fr.WriteWindowUpdate(stream, uint32(len(e.data))); err != nil {
					t.Fatal(err)
				}
			}
			return e.ends || path(n) == "/stays" && taken == 50*len("a piece")
		})
		if path(n) == "/stays" { // events that nobody wants any more
			if err := a.fr.WriteRSTStream(stream, http2.ErrCodeCancel); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := g.Listener.Flooding.Load(); n != 0 {
		t.Error("it was thrown out")
	}
}
