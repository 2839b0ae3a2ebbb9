package nethttp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// bothEnds returns a certificate for clients and for 127.0.0.1, and itself as
// the authority.
func bothEnds(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// certHandler answers with the digest of the client's certificate.
type certHandler struct {
	mu    sync.Mutex
	seen  [][]byte
	conns map[*proxy.Conn]bool
}

func (h *certHandler) Serve(x *proxy.Exchange) {
	h.mu.Lock()
	h.seen = append(h.seen, slices.Clone(x.Conn.ClientCert()))
	h.conns[x.Conn] = true
	h.mu.Unlock()
	x.Response.Status, x.Response.Length = http.StatusNoContent, 0
	x.Response.Fields.Reset(nil)
	_ = x.W.Head(&x.Response)
	_ = x.W.End(nil)
}

// TestClientCert shows the pipeline who the client is, on every request of its
// connection, and only when its certificate was verified.
func TestClientCert(t *testing.T) {
	cert, pool := bothEnds(t)
	want := sha256.Sum256(cert.Certificate[0])
	for _, c := range []struct {
		name   string
		auth   tls.ClientAuthType
		shown  bool
		want   []byte
		protos func(*http.Protocols)
	}{
		{"verified", tls.RequireAndVerifyClientCert, true, want[:], nil},
		{"verified, HTTP/2", tls.RequireAndVerifyClientCert, true, want[:], func(p *http.Protocols) { p.SetHTTP2(true) }},
		{"not verified", tls.RequireAnyClientCert, true, nil, nil},
		{"none", tls.VerifyClientCertIfGiven, false, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &certHandler{conns: map[*proxy.Conn]bool{}}
			ln := httptest.NewUnstartedServer(nil).Listener
			s := nethttp.New(h, nethttp.Options{
				Listener: &proxy.Listener{Name: "test"}, ReadHeaderTimeout: loopback.Patience,
				TLS: &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: c.auth, ClientCAs: pool, MinVersion: tls.VersionTLS12},
			})
			var served sync.WaitGroup
			served.Go(func() { _ = s.Serve(ln) })
			defer served.Wait()
			defer s.Close()
			client := newClient(t, c.protos)
			config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
			if c.shown {
				config.Certificates = []tls.Certificate{cert}
			}
			client.Transport.(*http.Transport).TLSClientConfig = config
			for range 3 {
				loopback.Do(t, client, loopback.NewRequest(t, "GET", "https://"+ln.Addr().String()+"/", nil))
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			if len(h.conns) != 1 || len(h.seen) != 3 {
				t.Errorf("%d requests on %d connections", len(h.seen), len(h.conns))
			}
			for i, got := range h.seen {
				if !slices.Equal(got, c.want) {
					t.Errorf("request %d: got %x, want %x", i, got, c.want)
				}
			}
		})
	}
}
