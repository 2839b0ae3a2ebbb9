//go:build e2e

package e2e

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// Connections that waste frames end, memory stays where it was, and others are served.
func TestHTTP2Floods(t *testing.T) {
	t.Parallel()
	const (
		tooMany     = 50_000
		connections = 10 // of each kind
		growth      = 96 << 20
	)
	get := []string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/orders/1"}
	floods := []func(f *framed, n uint32) error{
		func(f *framed, n uint32) error { // CVE-2023-44487
			return f.together(func() error { // or the request might be answered before
				return errors.Join(f.open(2*n+1, true, get...), f.fr.WriteRSTStream(2*n+1, http2.ErrCodeCancel))
			})
		},
		func(f *framed, _ uint32) error { return f.fr.WriteSettings() },
		func(f *framed, _ uint32) error { return f.fr.WritePing(false, [8]byte{}) },
		func(f *framed, n uint32) error {
			return f.fr.WritePriority(2*n+1, http2.PriorityParam{StreamDep: 2*n + 3})
		},
	}
	s := newSecured(t, "", "")
	_, plain := newStatic(t, "", ordersRoute)
	for _, g := range []struct {
		*harness.Gateway
		config *tls.Config
		victim *http.Client
		url    string
	}{
		{plain, nil, http.DefaultClient, plain.URL("/orders/1")},
		{s.Gateway, s.config(), s.client(t, true, s.config(), ""), "https://" + s.Public + "/orders/1"},
	} {
		served := func() {
			t.Helper()
			response, err := g.victim.Get(g.url)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("somebody else got %s, %v", response.Status, err)
			}
		}
		served()
		before, err := process.Resident(g.Process().PID())
		if err != nil {
			t.Fatal(err)
		}
		for range connections {
			for _, flood := range floods {
				f := dialFramed(t, g.Gateway, g.config)
				for n := uint32(0); n < tooMany && flood(f, n) == nil; n++ {
				}
				f.ended()
				served()
			}
		}
		after, err := process.Resident(g.Process().PID())
		if err != nil {
			t.Fatal(err)
		}
		if after-before > growth {
			t.Errorf("the gateway has grown from %d MiB to %d MiB", before>>20, after>>20)
		}
		if n := g.Metric(t, "lictor_connections_total", "result=flooding"); n != connections*4 {
			t.Errorf("%v floods were counted, want %d", n, connections*4)
		}
	}
}

// A WebSocket by HTTP/2 outlives a reload that takes its route away, and a drain
// waits for it.
func TestWebSocketByHTTP2(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"http1", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSecured(t, `engine = "`+engine+`"`, "")
			s.orders.Handle("/orders/ws", tunnel)
			f := dialFramed(t, s.Gateway, s.config())
			f.webSocket("/orders/ws")
			f.say("\x81\x85\x01\x02\x03\x04ignef")
			if n := s.Metric(t, "lictor_in_flight", "service=orders"); n != 1 {
				t.Errorf("%v in flight", n)
			}
			s.WritePolicies("route \"elsewhere\" {\n  path_prefix = \"/elsewhere\"\n  service = \"orders\"\n}\n")
			s.Reload()
			f.say("after the reload")

			if err := s.Process().Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			f.until("GOAWAY", func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameGoAway })
			f.say("while it drains")
			if err := f.fr.WriteData(1, true, nil); err != nil {
				t.Fatal(err)
			}
			f.until("the end", func(frame http2.Frame) bool {
				d, ok := frame.(*http2.DataFrame)
				return ok && d.StreamEnded()
			})
			wait(t, "the gateway ends", s.Process().Done())
			if code := s.Process().ExitCode(); code != 0 {
				t.Errorf("it ended with %d", code)
			}
		})
	}
}
