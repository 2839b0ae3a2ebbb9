package http1_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/accesslog"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

func TestUpstreamTLS(t *testing.T) { everywhere(t, tUpstreamTLS) }

func tUpstreamTLS(t *testing.T, e engine) {
	var names sync.Map // asked for by SNI
	instance, pool := loopback.Secure(t, func(w http.ResponseWriter, r *http.Request) {
		names.Store(r.TLS.ServerName, r.Proto)
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Body", strings.Repeat("x", int(n)))
		_, _ = io.WriteString(w, "hello")
	})
	address := instance.Listener.Addr().String()
	for _, c := range []struct {
		name   string
		secure *loopback.Verifying
		sni    string
		want   string // of the error in the log, "" for a 200
	}{
		{"by name", &loopback.Verifying{Name: "example.com", Roots: pool}, "example.com", ""},
		{"by address", &loopback.Verifying{Name: "", Roots: pool}, "", ""},
		{"another name", &loopback.Verifying{Name: "other.test", Roots: pool}, "", "not other.test"},
		{"another authority", &loopback.Verifying{Name: "example.com", Roots: x509.NewCertPool()}, "", "unknown authority"},
		{"the system's authorities", &loopback.Verifying{Name: "example.com", Roots: nil}, "", "x509"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := startGateway(t, e, func(r *proxy.Route, _ *options) { r.UpstreamTLS = c.secure }, address)
			logged := startLog(t, g)
			resp, body := loopback.Do(t, g.client(), loopback.NewRequest(t, "POST", g.URL+"/", strings.NewReader("abc")))
			switch {
			case c.want == "":
				if resp.StatusCode != http.StatusOK || body != "hello" || resp.Header.Get("X-Body") != "xxx" {
					t.Errorf("got %d %q", resp.StatusCode, body)
				}
				if proto, ok := names.Load(c.sni); !ok || proto != "HTTP/1.1" {
					t.Errorf("%q was not asked for, or by %v", c.sni, proto)
				}
			default:
				if resp.StatusCode != http.StatusBadGateway || !strings.Contains(body, "instance-refused") {
					t.Errorf("got %d %q", resp.StatusCode, body)
				}
				g.WaitIdle()
				if got := logged(); !strings.Contains(got, c.want) || !strings.Contains(got, address) {
					t.Errorf("the log says %q, want %q", got, c.want)
				}
			}
		})
	}
}

// TestInClearToTLS shows a client the complaint of an instance that wants TLS.
// There is no body: the instance closes at once, and what it has not read by
// then would take its answer along.
func TestInClearToTLS(t *testing.T) {
	t.Run("http1", func(t *testing.T) { tInClearToTLS(t, ours) })
	t.Run("nethttp", func(t *testing.T) { tInClearToTLS(t, standard) })
}

func tInClearToTLS(t *testing.T, e engine) {
	instance, _ := loopback.Secure(t, nil)
	g := startGateway(t, e, nil, instance.Listener.Addr().String())
	resp, body := loopback.Do(t, g.client(), loopback.NewRequest(t, "GET", g.URL+"/", nil))
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "HTTPS") {
		t.Errorf("got %d %q, want the instance's complaint", resp.StatusCode, body)
	}
}

// TestUpstreamTLSKeepsApart sends requests of several routes to one endpoint. A
// connection that one route trusts is none for the other.
func TestUpstreamTLSKeepsApart(t *testing.T) { conformance(t, tUpstreamTLSKeepsApart) }

func tUpstreamTLSKeepsApart(t *testing.T, e engine) {
	instance, pool := loopback.Secure(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) })
	good, same, bad := &loopback.Verifying{Name: "example.com", Roots: pool}, &loopback.Verifying{Name: "", Roots: pool}, &loopback.Verifying{Name: "example.com", Roots: x509.NewCertPool()}
	g := startGateway(t, e, nil, instance.Listener.Addr().String())
	routes := []*proxy.Route{}
	for _, r := range []struct {
		path   string
		secure proxy.UpstreamTLS
	}{{"/good", good}, {"/again", good}, {"/same", same}, {"/bad", bad}} {
		route := *g.Route
		route.Rule.Name, route.Rule.PathPrefix, route.UpstreamTLS, route.Metrics = r.path[1:], r.path, r.secure, nil
		routes = append(routes, &route)
	}
	table, err := proxy.NewTable(2, nil, routes)
	if err != nil {
		t.Fatal(err)
	}
	g.Proxy.Swap(table)
	c := g.client()
	get := func(path string) string {
		t.Helper()
		resp, body := loopback.Do(t, c, loopback.NewRequest(t, "GET", g.URL+path, nil))
		if resp.StatusCode != http.StatusOK {
			return resp.Status
		}
		g.WaitIdle() // by then the connection is kept
		return body
	}
	loopback.Eventually(t, "a connection is kept", func() bool { return get("/good") == get("/again") || g.lost() })
	first := get("/good")
	if other := get("/same"); other == first {
		t.Error("another way of TLS: the connection was shared")
	}
	if got := get("/bad"); got != "502 Bad Gateway" {
		t.Errorf("a route that trusts nobody: got %s", got)
	}
}

// TestUpstreamTLSWebSocket lets a tunnel through.
func TestUpstreamTLSWebSocket(t *testing.T) { conformance(t, tUpstreamTLSWebSocket) }

func tUpstreamTLSWebSocket(t *testing.T, e engine) {
	instance, pool := loopback.Secure(t, func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, rw)
	})
	g := startGateway(t, e, func(r *proxy.Route, _ *options) {
		r.UpstreamTLS = &loopback.Verifying{Name: "example.com", Roots: pool}
	}, instance.Listener.Addr().String())
	r := loopback.NewRequest(t, "GET", g.URL+"/", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	resp, err := g.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stream, ok := resp.Body.(io.ReadWriter)
	if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %s", resp.Status)
	}
	if _, err := io.WriteString(stream, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(stream, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q and %v", got, err)
	}
}

// memory is an access log that is kept.
type memory struct{ bytes.Buffer }

// Close implements io.Closer.
func (*memory) Close() error { return nil }

// startLog gives the gateway an access log. The function ends it and returns
// what was logged.
func startLog(t *testing.T, g *gateway) func() string {
	t.Helper()
	sink, out := accesslog.NewSink(1), new(memory)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sink.Run(ctx, func() (io.WriteCloser, error) { return out, nil }) }()
	g.Proxy.SetLogs(&proxy.Log{Sink: sink})
	end := sync.OnceValue(func() string {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		return out.String()
	})
	t.Cleanup(func() { end() })
	return end
}
