//go:build e2e

package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTLS: the server is verified, and spoken to when it is the right one. Where it
// speaks TLS itself, it does so here as well.
func TestTLS(t *testing.T) {
	s := startServer(t)
	cert, roots := certificate(t)
	addresses := []string{startTLS(t, s.address, cert)}
	if own := startServer(t).speakTLS(cert); own != "" {
		addresses = append(addresses, own)
	}
	for _, address := range addresses {
		for trusted, config := range map[bool]*tls.Config{
			true:  {RootCAs: roots, ServerName: "redis.test", MinVersion: tls.VersionTLS12},
			false: {ServerName: "redis.test", MinVersion: tls.VersionTLS12},
		} {
			st := newStore(t, s, func(o *Options) { o.Addresses, o.TLS = []string{address}, config })
			l := newLimiter(t, st, Spec{Name: "a", Limit: hourly(50)})
			if _, answered := l.Ask([]byte("k"), 1, l.clock()); answered != trusted {
				t.Errorf("%s, trusted %t: answered %t", address, trusted, answered)
			}
		}
	}
}

// speakTLS makes the server listen for TLS on one more port. It returns "" for a
// server that was built without: it knows no such setting, or, Valkey, ends.
func (s *server) speakTLS(cert tls.Certificate) string {
	s.t.Helper()
	c := s.client()
	if known, err := c.ConfigGet(s.t.Context(), "tls-port").Result(); err != nil || len(known) == 0 {
		return ""
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, set := range [][2]string{{"tls-auth-clients", "no"}, {"tls-cert-file", certFile}, {"tls-key-file", keyFile}, {"tls-ca-cert-file", certFile}} {
		if err := c.ConfigSet(s.t.Context(), set[0], set[1]).Err(); err != nil {
			s.t.Fatal(err)
		}
	}
	for range 5 { // the port may be taken by now
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.t.Fatal(err)
		}
		address := listener.Addr().String()
		_, port, _ := net.SplitHostPort(address)
		listener.Close()
		switch err = c.ConfigSet(s.t.Context(), "tls-port", port).Err(); {
		case err == nil:
			return address
		case errors.Is(err, io.EOF):
			return ""
		}
	}
	s.t.Fatal(err)
	return ""
}

// certificate returns one of redis.test, signed by itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"redis.test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// startTLS answers TLS in front of a server.
func startTLS(t *testing.T, target string, cert tls.Certificate) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() { // until the listener is closed
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer out.Close()
				go func() {
					defer out.Close()
					_, _ = io.Copy(out, in)
				}()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
	return listener.Addr().String()
}
