package http1_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http1"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// shown notes the certificates of clients.
type shown struct {
	mu   sync.Mutex
	seen [][]byte
}

func (h *shown) Serve(x *proxy.Exchange) {
	h.mu.Lock()
	h.seen = append(h.seen, bytes.Clone(x.Conn.ClientCert()))
	h.mu.Unlock()
	x.Response.Status, x.Response.Length = http.StatusNoContent, 0
	x.Response.Fields.Reset(nil)
	_ = x.W.Head(&x.Response)
	_ = x.W.End(nil)
}

func (h *shown) Refuse(*proxy.Exchange, *proxy.Problem, string, error) {}

// TestClientCert shows the pipeline who the client is, on every request of its
// connection, and only when its certificate was verified.
func TestClientCert(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
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
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	digest := sha256.Sum256(der)
	for _, c := range []struct {
		name  string
		auth  tls.ClientAuthType
		shown bool
		want  []byte
	}{
		{"verified", tls.RequireAndVerifyClientCert, true, digest[:]},
		{"verified, by choice", tls.VerifyClientCertIfGiven, true, digest[:]},
		{"not verified", tls.RequireAnyClientCert, true, nil},
		{"none", tls.VerifyClientCertIfGiven, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &shown{}
			s := http1.New(h, http1.Options{
				Listener: &proxy.Listener{Name: "test"}, ReadHeaderTimeout: loopback.Patience,
				TLS: &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: c.auth, ClientCAs: pool, MinVersion: tls.VersionTLS12},
			})
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var served sync.WaitGroup
			served.Go(func() { _ = s.Serve(ln) })
			defer served.Wait()
			defer s.Close()
			config := &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
			if c.shown {
				config.Certificates = []tls.Certificate{cert}
			}
			transport := &http.Transport{TLSClientConfig: config}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: loopback.Patience}
			for range 2 {
				resp, err := client.Get("https://" + ln.Addr().String() + "/")
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			if len(h.seen) != 2 {
				t.Fatalf("%d requests came", len(h.seen))
			}
			for i, got := range h.seen {
				if !bytes.Equal(got, c.want) {
					t.Errorf("request %d: %x, want %x", i, got, c.want)
				}
			}
		})
	}
}

// TestACMEHandshake ends a connection whose handshake was all that was wanted.
func TestACMEHandshake(t *testing.T) {
	answer := &tls.Config{Certificates: []tls.Certificate{loopback.SelfSigned(t)}, NextProtos: []string{"acme-tls/1"}, MinVersion: tls.VersionTLS12}
	s := http1.New(&shown{}, http1.Options{
		Listener: &proxy.Listener{Name: "test"}, ReadHeaderTimeout: loopback.Patience,
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return answer, nil }},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(ln) })
	defer served.Wait()
	defer s.Close()
	c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(loopback.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the handshake: %v, want the end", err)
	}
}
