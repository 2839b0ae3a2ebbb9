package nethttp_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// Far more than a client may do.
const tooMany = 50_000

// wasteful is an instance that answers nothing but /ok until the request is given up.
func wasteful(t *testing.T) string {
	return loopback.Instance(t, loopback.Listen(t), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ok" {
			_, _ = io.Copy(io.Discard, r.Body) // else net/http does not look whether somebody is there
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "ok")
	})
}

// bounded starts a gateway with the bounds that are the configuration's defaults.
func bounded(t *testing.T, secure bool, instances ...string) *gateway {
	g := startGateway(t, func(_ *proxy.Route, o *nethttp.Options, _ *nethttp.ForwarderOptions) {
		o.IdleTimeout = 2 * loopback.Patience
		o.MaxConcurrentStreams, o.MaxWastedFrames, o.MaxHeaderBytes = 128, 1000, 32<<10
		if secure {
			o.TLS = &tls.Config{Certificates: []tls.Certificate{loopback.SelfSigned(t)}}
		}
	}, instances...)
	g.secure = secure
	if secure {
		g.URL = "https://" + g.Addr
	}
	return g
}

// victim returns a check that somebody else is served.
func victim(t *testing.T, g *gateway) func() {
	c := newClient(t, func(p *http.Protocols) { p.SetHTTP2(g.secure); p.SetUnencryptedHTTP2(!g.secure) })
	c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	return func() {
		t.Helper()
		if resp, body := loopback.Do(t, c, loopback.NewRequest(t, "GET", g.URL+"/ok", nil)); resp.StatusCode != http.StatusOK || body != "ok" {
			t.Errorf("the victim got %s %q", resp.Status, body)
		}
	}
}

// floods are the attacks that end with the connection. Each sends the nth of its
// frames.
var floods = []struct {
	name string
	// begin prepares the connection.
	begin func(a *attacker) error
	send  func(a *attacker, n uint32) error
}{
	{name: "rapid reset", send: func(a *attacker, n uint32) error { // CVE-2023-44487
		if err := a.headers(2*n+1, true, get("/slow")...); err != nil {
			return err
		}
		return a.fr.WriteRSTStream(2*n+1, http2.ErrCodeCancel)
	}},
	{name: "made to reset", send: func(a *attacker, n uint32) error { // CVE-2025-8671
		if err := a.headers(2*n+1, true, get("/slow")...); err != nil {
			return err
		}
		return a.fr.WriteWindowUpdate(2*n+1, 0)
	}},
	{name: "malformed heads", send: func(a *attacker, n uint32) error {
		return a.headers(2*n+1, true, ":method", "GET", "UPPER", "case")
	}},
	{name: "SETTINGS", send: func(a *attacker, _ uint32) error { // CVE-2019-9515
		return a.fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 4096})
	}},
	{name: "empty SETTINGS", send: func(a *attacker, _ uint32) error { return a.fr.WriteSettings() }},
	{name: "acknowledged SETTINGS", send: func(a *attacker, _ uint32) error { return a.fr.WriteSettingsAck() }},
	{name: "PING", send: func(a *attacker, _ uint32) error { return a.fr.WritePing(false, [8]byte{}) }}, // CVE-2019-9512
	{name: "answers to no PING", send: func(a *attacker, _ uint32) error { return a.fr.WritePing(true, [8]byte{}) }},
	{name: "PRIORITY", send: func(a *attacker, n uint32) error { // CVE-2019-9513
		return a.fr.WritePriority(2*n+1, http2.PriorityParam{StreamDep: 2*n + 3, Weight: uint8(n)})
	}},
	{name: "WINDOW_UPDATE", send: func(a *attacker, _ uint32) error { return a.fr.WriteWindowUpdate(0, 1) }},
	{name: "WINDOW_UPDATE of a stream", begin: open, send: func(a *attacker, _ uint32) error { return a.fr.WriteWindowUpdate(1, 1) }},
	{name: "empty DATA", begin: open, send: func(a *attacker, _ uint32) error { return a.fr.WriteData(1, false, nil) }}, // CVE-2019-9518
	{name: "unknown frames", send: func(a *attacker, _ uint32) error { return a.fr.WriteRawFrame(0xfa, 0, 0, nil) }},
	{name: "CONTINUATION", begin: unfinished, send: func(a *attacker, _ uint32) error { // CVE-2023-45288
		return a.fr.WriteContinuation(1, false, a.block("name", "value"))
	}},
	{name: "empty CONTINUATION", begin: unfinished, send: func(a *attacker, _ uint32) error { return a.fr.WriteContinuation(1, false, nil) }},
}

// open opens a stream with a body.
func open(a *attacker) error {
	return a.headers(1, false, ":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/slow")
}

// unfinished begins a head that has no end.
func unfinished(a *attacker) error {
	return a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: a.block(get("/slow")...)})
}

// TestFloods wants each attack to end with its connection, whether the attacker
// reads what it is told or not, and nobody else to notice.
func TestFloods(t *testing.T) {
	for _, secure := range []bool{false, true} {
		g := bounded(t, secure, wasteful(t))
		served := victim(t, g)
		served()
		before := heap()
		for _, f := range floods {
			for _, reads := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/secure=%t/reads=%t", f.name, secure, reads), func(t *testing.T) {
					a := attack(t, g)
					var code <-chan http2.ErrCode
					if reads {
						code = a.drain()
					}
					if f.begin != nil {
						if err := f.begin(a); err != nil {
							t.Fatal(err)
						}
					}
					for n := uint32(0); n < tooMany && f.send(a, n) == nil; n++ {
						if n == 500 {
							served() // in the middle of it
						}
					}
					if !reads {
						code = a.drain()
					}
					loopback.Await(t, "the connection's end", code)
					served()
					g.WaitIdle()
				})
			}
		}
		if n := g.Listener.Flooding.Load(); n == 0 {
			t.Error("no flood was counted")
		}
		if grown := heap() - before; grown > 16<<20 {
			t.Errorf("%d MiB are left", grown>>20)
		}
	}
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
