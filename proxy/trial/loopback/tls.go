package loopback

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"time"
)

// Verifying is a way of TLS to instances. It implements proxy.UpstreamTLS.
type Verifying struct {
	// Name is whose certificate is expected, "" for the instance's own address.
	Name  string
	Roots *x509.CertPool
}

// ClientConfig implements proxy.UpstreamTLS.
func (v *Verifying) ClientConfig(host string) *tls.Config {
	if v.Name != "" {
		host = v.Name
	}
	return &tls.Config{RootCAs: v.Roots, ServerName: host, MinVersion: tls.VersionTLS12}
}

// Secure serves by TLS with a certificate for example.com and 127.0.0.1, and returns
// the server and its authority.
func Secure(t TB, h http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what the tests are about
	s.EnableHTTP2 = true                           // which the gateway must not fall for
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, pool
}

// SelfSigned returns a certificate for localhost that nobody vouches for.
func SelfSigned(t TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
