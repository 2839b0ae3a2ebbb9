package http3_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http3"
	"github.com/lictor/lictor/proxy/nethttp"
)

// TestRequest goes all the way, with either engine's client half.
func TestRequest(t *testing.T) {
	for name, f := range map[string]proxy.Forwarder{"http1": nil, "nethttp": nethttp.NewForwarder(nethttp.ForwarderOptions{})} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan *http.Request, 1)
			g := startGateway(t, func(s *settings) { s.forwarder = f }, startInstance(t, func(w http.ResponseWriter, r *http.Request) {
				seen <- r
				w.Header().Set("X-Answer", "yes")
				_, _ = io.WriteString(w, "hello")
			}))
			c := newClient(t, nil)
			r := newRequest(t, "GET", g.url+"/a/b?c=d", nil)
			r.Header.Set("X-Forwarded-For", "1.2.3.4")
			resp, body := do(t, c, r)
			if resp.StatusCode != 200 || resp.Proto != "HTTP/3.0" || body != "hello" || resp.Header.Get("X-Answer") != "yes" || resp.ContentLength != 5 {
				t.Errorf("got %s %s %q %v", resp.Proto, resp.Status, body, resp.Header)
			}
			if resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("Alt-Svc") != "" {
				t.Errorf("response fields: %v", resp.Header)
			}
			got := await(t, "the instance's request", seen)
			for name, want := range map[string]string{
				"Via": "3.0 lictor", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": g.addr, "Early-Data": "", "Transfer-Encoding": "",
			} {
				if v := got.Header.Get(name); v != want {
					t.Errorf("the instance saw %s: %q, want %q", name, v, want)
				}
			}
			if got.RequestURI != "/a/b?c=d" || got.ContentLength != 0 || len(got.TransferEncoding) != 0 || got.Host != g.addr {
				t.Errorf("the instance saw %s of %d bytes, coded %v, for %s", got.RequestURI, got.ContentLength, got.TransferEncoding, got.Host)
			}
		})
	}
}

func TestHead(t *testing.T) {
	g := startGateway(t, nil, startInstance(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", "1000")
			return
		}
		w.(http.Flusher).Flush() // chunked
	}))
	c := newClient(t, nil)
	for path, want := range map[string]string{"/known": "1000", "/unknown": ""} {
		resp, body := do(t, c, newRequest(t, "HEAD", g.url+path, nil))
		if got := resp.Header.Get("Content-Length"); got != want || body != "" || resp.StatusCode != 200 {
			t.Errorf("%s: %s with Content-Length %q and body %q, want %q and none", path, resp.Status, got, body, want)
		}
	}
}

// TestUpload moves a body that nobody knows the length of, there and back, with
// trailers on both.
func TestUpload(t *testing.T) {
	for name, f := range map[string]proxy.Forwarder{"http1": nil, "nethttp": nethttp.NewForwarder(nethttp.ForwarderOptions{})} {
		t.Run(name, func(t *testing.T) {
			g := startGateway(t, func(s *settings) { s.forwarder = f }, startInstance(t, func(w http.ResponseWriter, r *http.Request) {
				h := sha256.New()
				n, err := io.Copy(h, r.Body)
				w.Header().Set("Trailer", "X-Sum")
				w.WriteHeader(200)
				fmt.Fprintf(w, "%d %v %s", n, err, r.Trailer.Get("X-End"))
				w.Header().Set("X-Sum", fmt.Sprintf("%x", h.Sum(nil)))
			}))
			sent := bytes.Repeat([]byte("0123456789abcdef"), 512<<10/16*9)
			for _, length := range []int64{-1, int64(len(sent))} {
				r := newRequest(t, "POST", g.url+"/", io.NopCloser(bytes.NewReader(sent)))
				r.ContentLength = length
				r.Trailer = http.Header{"X-End": {"done"}}
				want := fmt.Sprintf("%d <nil> done", len(sent))
				if length >= 0 {
					r.Trailer = nil
					want = fmt.Sprintf("%d <nil> ", len(sent))
				}
				resp, body := do(t, newClient(t, nil), r)
				if sum := fmt.Sprintf("%x", sha256.Sum256(sent)); body != want || resp.Trailer.Get("X-Sum") != sum {
					t.Errorf("length %d: got %q, trailer %v; want %q, %s", length, body, resp.Trailer, want, sum)
				}
			}
		})
	}
}

func TestDownload(t *testing.T) {
	const size = 8 << 20
	g := startGateway(t, nil, startInstance(t, func(w http.ResponseWriter, _ *http.Request) {
		piece := bytes.Repeat([]byte("x"), 64<<10)
		for range size / len(piece) {
			_, _ = w.Write(piece)
		}
	}))
	resp, body := do(t, newClient(t, nil), newRequest(t, "GET", g.url+"/", nil))
	if resp.StatusCode != 200 || len(body) != size {
		t.Errorf("got %s with %d bytes, want %d", resp.Status, len(body), size)
	}
}

func TestInterim(t *testing.T) {
	g := startGateway(t, nil, startInstance(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.WriteHeader(200)
	}))
	hints := make(chan string, 1)
	r := newRequest(t, "GET", g.url+"/", nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints <- fmt.Sprint(code, " ", h.Get("Link"))
		return nil
	}}))
	if resp, _ := do(t, newClient(t, nil), r); resp.StatusCode != 200 || resp.Header.Get("Link") != "" {
		t.Errorf("got %s %v", resp.Status, resp.Header)
	}
	if got := await(t, "early hints", hints); got != "103 </style.css>; rel=preload" {
		t.Errorf("hints: %q", got)
	}
}

// TestClientCancels: an instance that nobody waits for any more hears of it.
func TestClientCancels(t *testing.T) {
	arrived, gone := make(chan struct{}), make(chan struct{})
	g := startGateway(t, nil, startInstance(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(gone)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	r := newRequest(t, "GET", g.url+"/", nil).WithContext(ctx)
	failed := make(chan error, 1)
	c := newClient(t, nil)
	go func() {
		resp, err := c.Do(r)
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	await(t, "the request at the instance", arrived)
	cancel()
	if err := await(t, "the client", failed); !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	await(t, "the instance to hear of it", gone)
}

// TestCutUpload: a client that goes away within a body is not taken for one whose
// body is over.
func TestCutUpload(t *testing.T) {
	arrived, read := make(chan struct{}), make(chan error, 1)
	g := startGateway(t, nil, startInstance(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	}))
	ctx, cancel := context.WithCancel(t.Context())
	body, feed := io.Pipe()
	r := newRequest(t, "POST", g.url+"/", body).WithContext(ctx)
	c := newClient(t, nil)
	go func() {
		if resp, err := c.Do(r); err == nil {
			resp.Body.Close()
		}
	}()
	if _, err := feed.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	await(t, "the request at the instance", arrived)
	cancel()
	if err := await(t, "the instance to read", read); err == nil {
		t.Error("the instance took half a body for a whole one")
	}
	feed.Close()
}

// TestBrokenInstance: a response that is cut short is not taken for a whole one.
func TestBrokenInstance(t *testing.T) {
	g := startGateway(t, nil, startInstance(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	resp, err := newClient(t, nil).Do(newRequest(t, "GET", g.url+"/", nil))
	if err != nil {
		return // the stream was reset before all that was sent had got there
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the client took %q for the whole response", b)
	}
}

// TestSlowClient: what a client does not read is not read from the instance either,
// and a client that reads nothing for the route's idle time is given up.
func TestSlowClient(t *testing.T) {
	const size = 256 << 20
	stopped := make(chan int, 1)
	g := startGateway(t, func(s *settings) { s.route.IdleTimeout = 200 * time.Millisecond }, startInstance(t, func(w http.ResponseWriter, _ *http.Request) {
		piece, written := bytes.Repeat([]byte("x"), 1<<20), 0
		for written < size {
			n, err := w.Write(piece)
			written += n
			if err != nil {
				break
			}
		}
		stopped <- written
	}))
	resp, err := newClient(t, nil).Do(newRequest(t, "GET", g.url+"/", nil))
	if n := await(t, "the instance to be stopped", stopped); n >= size {
		t.Errorf("the instance could write all of %d bytes", n)
	}
	if err != nil {
		return // it was given up before the client had seen the head
	}
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the client took the response for a whole one")
	}
	resp.Body.Close()
}

func TestRefusesTunnels(t *testing.T) {
	g := startGateway(t, nil, startInstance(t, func(http.ResponseWriter, *http.Request) { t.Error("it reached the instance") }))
	for _, extended := range []bool{false, true} {
		r := newRequest(t, "CONNECT", g.url, nil)
		if extended {
			r.Proto = "connect-udp"
			r.URL.Path = "/socket"
		}
		resp, err := newClient(t, nil).Do(r)
		if err != nil {
			t.Fatalf("extended %t: %v", extended, err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotImplemented {
			t.Errorf("extended %t: %s", extended, resp.Status)
		}
	}
}

// TestMalformed: what no HTTP/1.1 could express, or would read in another way, does
// not get to an instance.
func TestMalformed(t *testing.T) {
	g := startGateway(t, nil, startInstance(t, func(http.ResponseWriter, *http.Request) { t.Error("it reached the instance") }))
	for _, target := range []string{"/a b", "/a%00", "/%2e%2e%2f", `/a\b`} {
		r := newRequest(t, "GET", g.url+"/", nil)
		r.URL.Opaque = target
		resp, err := newClient(t, nil).Do(r)
		if err != nil {
			continue // the stream was reset
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %s", target, resp.Status)
		}
	}
}

// TestClientCertificate is what limits and fields go by.
func TestClientCertificate(t *testing.T) {
	mine := selfSigned(t)
	pool := x509.NewCertPool()
	pool.AddCert(mine.Leaf)
	digest := make(chan []byte, 1)
	g := startGateway(t, func(s *settings) {
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, pool
		s.gateway = []proxy.Step{look(func(x *proxy.Exchange) { digest <- bytes.Clone(x.Conn.ClientCert()) })}
	}, startInstance(t, func(http.ResponseWriter, *http.Request) {}))
	do(t, newClient(t, &tls.Config{Certificates: []tls.Certificate{mine}}), newRequest(t, "GET", g.url+"/", nil))
	if want := sha256.Sum256(mine.Certificate[0]); !bytes.Equal(await(t, "the digest", digest), want[:]) {
		t.Error("the pipeline does not know the client's certificate")
	}
	if resp, err := newClient(t, nil).Do(newRequest(t, "GET", g.url+"/", nil)); err == nil {
		resp.Body.Close()
		t.Errorf("a client without a certificate got %s", resp.Status)
	}
}

// look is a step that only looks.
type look func(*proxy.Exchange)

func (l look) Request(x *proxy.Exchange) bool { l(x); return true }

// TestServerNames chooses certificates by SNI, anew for each handshake.
func TestServerNames(t *testing.T) {
	one, two := selfSigned(t, "one.test"), selfSigned(t, "two.test")
	shown := make(chan *tls.Config, 1)
	shown <- &tls.Config{Certificates: []tls.Certificate{one}}
	g := startGateway(t, func(s *settings) {
		s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c := <-shown
			shown <- c
			if hello.ServerName == "two.test" {
				return &tls.Config{Certificates: []tls.Certificate{two}}, nil
			}
			return c, nil
		}}
	}, startInstance(t, func(http.ResponseWriter, *http.Request) {}))
	leaf := func(name string) *x509.Certificate {
		resp, _ := do(t, newClient(t, &tls.Config{ServerName: name}), newRequest(t, "GET", g.url+"/", nil))
		return resp.TLS.PeerCertificates[0]
	}
	if got := leaf("one.test"); !got.Equal(one.Leaf) {
		t.Errorf("one.test: %v", got.DNSNames)
	}
	if got := leaf("two.test"); !got.Equal(two.Leaf) {
		t.Errorf("two.test: %v", got.DNSNames)
	}
	<-shown
	next := selfSigned(t, "one.test")
	shown <- &tls.Config{Certificates: []tls.Certificate{next}}
	if got := leaf("one.test"); !got.Equal(next.Leaf) {
		t.Error("one.test: still the old certificate")
	}
}

func TestCloseBeforeServe(t *testing.T) {
	for name, end := range map[string]func(*http3.Server) error{
		"Close": (*http3.Server).Close, "Shutdown": func(s *http3.Server) error { return s.Shutdown(t.Context()) },
	} {
		s := http3.New(http3.Options{Listener: &proxy.Listener{}, TLS: &tls.Config{}})
		if err := end(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(socket); err != nil {
			t.Errorf("Serve after %s: %v", name, err)
		}
		if _, err := socket.WriteTo(nil, socket.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve after %s left the socket open: %v", name, err)
		}
	}
}
