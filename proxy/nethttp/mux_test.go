package nethttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// startMux returns a gateway that speaks HTTP/2 to its instances.
func startMux(t testing.TB, set setup, instances ...string) *gateway {
	t.Helper()
	return startWith(t, func(o nethttp.ForwarderOptions) proxy.Forwarder { return nethttp.NewH2Forwarder(o) }, set, instances...)
}

// startH2 serves h by HTTP/2 without TLS, and returns its address and how many
// connections were made.
func startH2(t testing.TB, set func(*http.Server), h http.HandlerFunc) (string, *atomic.Int64) {
	t.Helper()
	made := new(atomic.Int64)
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	if set != nil {
		set(s.Config)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), made
}

// eitherClient runs a test with a client of HTTP/1.1 and one of HTTP/2.
func eitherClient(t *testing.T, test func(t *testing.T, c *http.Client, major int)) {
	t.Helper()
	t.Run("HTTP1", func(t *testing.T) { test(t, newClient(t, nil), 1) })
	t.Run("HTTP2", func(t *testing.T) {
		test(t, newClient(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }), 2)
	})
}

// TestMuxMessage: what an instance sees of a request, and a client of the response,
// is the same by HTTP/2 as by HTTP/1.1.
func TestMuxMessage(t *testing.T) {
	type seen struct {
		r       *http.Request
		body    string
		trailer http.Header
	}
	got := make(chan seen, 1)
	at, _ := startH2(t, nil, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the body: %v", err)
		}
		got <- seen{r, string(b), r.Trailer}
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("X-Answer", "yes")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "answer")
		_ = http.NewResponseController(w).Flush() // else it has a length, and no trailers by HTTP/1.1
		w.Header().Set(http.TrailerPrefix+"X-Sum", "42")
	})
	g := startMux(t, nil, at)
	eitherClient(t, func(t *testing.T, c *http.Client, _ int) {
		r := loopback.NewRequest(t, "POST", g.URL+"//a/%2F;x?q=1&r", io.MultiReader(strings.NewReader("question")))
		r.Host = "example.com:99"
		r.Header.Set("X-Question", "why")
		r.Header.Set("TE", "trailers")
		r.Trailer = http.Header{"X-After": {"thought"}}
		resp, body := loopback.Do(t, c, r)
		s := loopback.Await(t, "the request", got)
		if s.r.ProtoMajor != 2 || s.r.Method != "POST" || s.r.RequestURI != "//a/%2F;x?q=1&r" || s.r.Host != "example.com:99" ||
			s.r.Header.Get("X-Question") != "why" || s.r.Header.Get("TE") != "trailers" || s.r.Header.Get("X-Forwarded-For") != "127.0.0.1" ||
			s.r.Header["User-Agent"] == nil || s.body != "question" || s.trailer.Get("X-After") != "thought" || s.r.ContentLength != -1 {
			t.Errorf("the instance got %s %s %s, %v, %q, %v", s.r.Method, s.r.Host, s.r.RequestURI, s.r.Header, s.body, s.trailer)
		}
		if resp.StatusCode != http.StatusAccepted || resp.Header.Get("X-Answer") != "yes" || len(resp.Header["Set-Cookie"]) != 2 ||
			body != "answer" || resp.Trailer.Get("X-Sum") != "42" {
			t.Errorf("the client got %s, %v, %q, %v", resp.Status, resp.Header, body, resp.Trailer)
		}
	})
}

// TestMuxLengths: a length that is known stays known, and what has no body has none.
func TestMuxLengths(t *testing.T) {
	at, made := startH2(t, nil, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
			_, _ = io.Copy(w, r.Body)
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/head":
			w.Header().Set("Content-Length", "7")
		}
	})
	g := startMux(t, nil, at)
	large := strings.Repeat("0123456789abcdef", 200_000)
	eitherClient(t, func(t *testing.T, c *http.Client, _ int) {
		for _, c2 := range []struct {
			method, path, send, want string
			length                   int64
		}{
			{"POST", "/echo", "abc", "abc", 3},
			{"POST", "/echo", large, large, int64(len(large))},
			{"GET", "/none", "", "", 0},
			{"HEAD", "/head", "", "", 7},
			{"GET", "/empty", "", "", 0},
		} {
			resp, body := loopback.Do(t, c, loopback.NewRequest(t, c2.method, g.URL+c2.path, strings.NewReader(c2.send)))
			if body != c2.want || resp.ContentLength != c2.length {
				t.Errorf("%s %s: %d bytes, length %d", c2.method, c2.path, len(body), resp.ContentLength)
			}
		}
	})
	if n := made.Load(); n != 1 {
		t.Errorf("%d connections were made for requests one after the other", n)
	}
}

// TestMuxTalk: both sides speak as they like, and each hears the other at once.
func TestMuxTalk(t *testing.T) {
	at, _ := startH2(t, nil, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		rc := http.NewResponseController(w)
		_ = rc.Flush()
		b := make([]byte, 64)
		for {
			n, err := r.Body.Read(b)
			if n > 0 {
				_, _ = w.Write(bytes.ToUpper(b[:n]))
				_ = rc.Flush()
			}
			if err != nil {
				return
			}
		}
	})
	g := startMux(t, nil, at)
	c := newClient(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
	pr, pw := io.Pipe()
	resp, err := c.Do(loopback.NewRequest(t, "POST", g.URL+"/", pr))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b := make([]byte, 64)
	for _, word := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(pw, word); err != nil {
			t.Fatal(err)
		}
		n, err := io.ReadFull(resp.Body, b[:len(word)])
		if err != nil || string(b[:n]) != strings.ToUpper(word) {
			t.Fatalf("%q, %v", b[:n], err)
		}
	}
	pw.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestMuxCancel: a client that goes away ends the request at the instance, before the
// head and after it, and the connection goes on.
func TestMuxCancel(t *testing.T) {
	arrived, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	at, made := startH2(t, nil, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/body":
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
		case "/wait":
			arrived <- struct{}{}
		case "/ok":
			return
		}
		<-r.Context().Done()
		ended <- struct{}{}
	})
	g := startMux(t, nil, at)
	eitherClient(t, func(t *testing.T, c *http.Client, major int) {
		r := loopback.NewRequest(t, "GET", g.URL+"/body", nil)
		ctx, cancel := context.WithCancel(r.Context())
		resp, err := c.Do(r.WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4)
		if _, err := io.ReadFull(resp.Body, b); err != nil {
			t.Fatal(err)
		}
		cancel()
		resp.Body.Close()
		loopback.Await(t, "the request's end at the instance", ended)
		if major == 2 { // who waits for the head shows in nothing but a stream's end
			ctx, cancel = context.WithCancel(t.Context())
			go func() {
				<-arrived
				cancel()
			}()
			if _, err := c.Do(loopback.NewRequest(t, "GET", g.URL+"/wait", nil).WithContext(ctx)); err == nil {
				t.Error("an answer came from nowhere")
			}
			loopback.Await(t, "the request's end at the instance", ended)
		}
		if resp, _ := loopback.Do(t, c, loopback.NewRequest(t, "GET", g.URL+"/ok", nil)); resp.StatusCode != http.StatusOK {
			t.Errorf("afterwards: %s", resp.Status)
		}
	})
	if n := made.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
}

// TestMuxTimeout: the route's timeout ends a wait for the head, and the idle timeout
// one for more of the body.
func TestMuxTimeout(t *testing.T) {
	at, _ := startH2(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	// One bound each: a head that comes is never too late where the body is the subject.
	late := startMux(t, func(r *proxy.Route, _ *nethttp.Options, _ *nethttp.ForwarderOptions) {
		r.Timeout = 50 * time.Millisecond
	}, at)
	idle := startMux(t, func(r *proxy.Route, _ *nethttp.Options, _ *nethttp.ForwarderOptions) {
		r.IdleTimeout = 50 * time.Millisecond
	}, at)
	eitherClient(t, func(t *testing.T, c *http.Client, _ int) {
		for _, body := range []string{"", "question"} {
			if resp, text := loopback.Do(t, c, loopback.NewRequest(t, "PUT", late.URL+"/", strings.NewReader(body))); resp.StatusCode != http.StatusGatewayTimeout {
				t.Errorf("%s %s", resp.Status, text)
			}
		}
		resp, err := c.Do(loopback.NewRequest(t, "GET", idle.URL+"/body", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("a body that was broken off ended well, after %q", b)
		}
	})
}

// TestMuxNothingTaken: an instance whose window stays shut is not waited for, and
// the others on the connection are none the worse for it.
func TestMuxNothingTaken(t *testing.T) {
	at, made := startH2(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/deaf" {
			<-r.Context().Done()
		}
	})
	g := startMux(t, func(r *proxy.Route, _ *nethttp.Options, _ *nethttp.ForwarderOptions) {
		r.Timeout, r.IdleTimeout = 0, time.Second // in which the client, too, has something to say
	}, at)
	c := newClient(t, nil)
	resp, _ := loopback.Do(t, c, loopback.NewRequest(t, "POST", g.URL+"/deaf", io.LimitReader(zeros{}, 8<<20)))
	if resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("got %s", resp.Status)
	}
	if resp, _ := loopback.Do(t, c, loopback.NewRequest(t, "GET", g.URL+"/", nil)); resp.StatusCode != http.StatusOK || made.Load() != 1 {
		t.Errorf("afterwards %s, by %d connections", resp.Status, made.Load())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestMuxIdleTalk: of a request and its response, both under way, it is enough that
// one moves.
func TestMuxIdleTalk(t *testing.T) {
	t.Parallel()
	const idle = 5 * time.Second // which no machine stands still for
	at, _ := startH2(t, nil, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		for range 7 {
			_, _ = io.WriteString(w, ".")
			_ = rc.Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(idle / 5):
			}
		}
		b, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %v", b, err)
	})
	g := startMux(t, func(r *proxy.Route, _ *nethttp.Options, _ *nethttp.ForwarderOptions) { r.IdleTimeout = idle }, at)
	c := newClient(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
	pr, pw := io.Pipe()
	resp, err := c.Do(loopback.NewRequest(t, "POST", g.URL+"/", pr))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b := make([]byte, 7)
	if _, err := io.ReadFull(resp.Body, b); err != nil {
		t.Fatalf("a client that only listened was cut off: %v", err)
	}
	_, _ = io.WriteString(pw, "done")
	pw.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "done <nil>" {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestMuxStreams: an instance gets no more requests on a connection than it allows.
func TestMuxStreams(t *testing.T) {
	const most, all = 3, 10
	var open atomic.Int64
	arrived := make(chan struct{}, all)
	over := make(chan struct{})
	at, made := startH2(t, func(s *http.Server) { s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: most} }, func(http.ResponseWriter, *http.Request) {
		open.Add(1)
		arrived <- struct{}{}
		<-over
	})
	g := startMux(t, nil, at)
	c := newClient(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
	var asking sync.WaitGroup
	for range all {
		asking.Go(func() {
			resp, err := c.Do(loopback.NewRequest(t, "GET", g.URL+"/", nil))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("got %s", resp.Status)
			}
		})
	}
	for range all {
		loopback.Await(t, "all are served at a time", arrived)
	}
	if n := made.Load(); n != (all+most-1)/most {
		t.Errorf("%d connections for %d requests, %d on each", n, all, most)
	}
	close(over)
	asking.Wait()
}

// muxTLS is a proxy.UpstreamTLS that may age.
type muxTLS struct {
	config *tls.Config
	moved  atomic.Pointer[time.Time] // what was made before is old
}

func (m *muxTLS) ClientConfig(string) *tls.Config { return m.config.Clone() }

func (m *muxTLS) Fresh(age time.Duration) bool {
	at := m.moved.Load()
	return at == nil || age < time.Since(*at)
}

// TestMuxTLS: HTTP/2 is agreed on by ALPN. An instance that would speak something
// else is not spoken to.
func TestMuxTLS(t *testing.T) {
	for _, c := range []struct {
		name  string
		proto []string
		want  int
	}{
		{"offered", []string{"h2", "http/1.1"}, http.StatusOK},
		{"not offered", []string{"http/1.1"}, http.StatusBadGateway},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, r.Proto, " ", r.TLS.NegotiatedProtocol)
			}))
			s.EnableHTTP2 = c.proto[0] == "h2"
			s.TLS = &tls.Config{NextProtos: c.proto}
			s.StartTLS()
			t.Cleanup(s.Close)
			way := &muxTLS{config: s.Client().Transport.(*http.Transport).TLSClientConfig}
			way.config.ServerName = "example.com"
			way.config.NextProtos = nil
			g := startMux(t, func(r *proxy.Route, _ *nethttp.Options, _ *nethttp.ForwarderOptions) { r.UpstreamTLS = way }, s.Listener.Addr().String())
			resp, body := loopback.Do(t, newClient(t, nil), loopback.NewRequest(t, "GET", g.URL+"/", nil))
			if resp.StatusCode != c.want || c.want == http.StatusOK && body != "HTTP/2.0 h2" {
				t.Errorf("%s %s", resp.Status, body)
			}
		})
	}
}

// TestMuxAge: a connection that is not fresh any more gets no more requests, serves
// those that it has, and is closed.
func TestMuxAge(t *testing.T) {
	over := make(chan struct{})
	closed := make(chan struct{}, 4)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			_ = http.NewResponseController(w).Flush()
			<-over
		}
		_, _ = io.WriteString(w, r.RemoteAddr)
	}))
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	way := &muxTLS{config: s.Client().Transport.(*http.Transport).TLSClientConfig}
	way.config.ServerName = "example.com"
	way.config.NextProtos = nil
	g := startMux(t, func(r *proxy.Route, _ *nethttp.Options, _ *nethttp.ForwarderOptions) { r.UpstreamTLS = way }, s.Listener.Addr().String())
	c := newClient(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
	_, first := loopback.Do(t, c, loopback.NewRequest(t, "GET", g.URL+"/", nil))
	long, err := c.Do(loopback.NewRequest(t, "GET", g.URL+"/long", nil))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	way.moved.Store(&now)
	_, second := loopback.Do(t, c, loopback.NewRequest(t, "GET", g.URL+"/", nil))
	if first == second {
		t.Error("an old connection took another request")
	}
	close(over)
	b, err := io.ReadAll(long.Body)
	if err != nil || string(b) != first {
		t.Errorf("what it had: %q, %v", b, err)
	}
	loopback.Await(t, "the old connection is closed", closed)
}

// TestMuxRefused: an instance that does not answer, or not by HTTP/2, is a failure to
// connect: nothing was sent, so that anything may go elsewhere.
func TestMuxRefused(t *testing.T) {
	nobody := loopback.Nobody(t)
	old := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(old.Close)
	http1 := old.Listener.Addr().String()
	good, _ := startH2(t, nil, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	for _, bad := range []string{nobody, http1} {
		g := startMux(t, nil, bad)
		if resp, body := loopback.Do(t, newClient(t, nil), loopback.NewRequest(t, "POST", g.URL+"/", strings.NewReader("x"))); resp.StatusCode != http.StatusBadGateway {
			t.Errorf("alone: %s %s", resp.Status, body)
		}
		g.Apply(bad, good)
		c := newClient(t, nil)
		for range 4 {
			resp, body := loopback.Do(t, c, loopback.NewRequest(t, "POST", g.URL+"/", strings.NewReader("question")))
			if resp.StatusCode != http.StatusOK || body != "question" {
				t.Errorf("beside a good one: %s %s", resp.Status, body)
			}
		}
	}
}

// TestMuxBroken: a response that breaks off in the middle is no whole one.
func TestMuxBroken(t *testing.T) {
	at, _ := startH2(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	g := startMux(t, nil, at)
	eitherClient(t, func(t *testing.T, c *http.Client, _ int) {
		resp, err := c.Do(loopback.NewRequest(t, "GET", g.URL+"/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%q, %v", b, err)
		}
	})
}
