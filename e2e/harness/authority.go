package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"testing"
	"time"
)

// Authority is a certificate authority of the test's own. Consul may be told to
// make it the mesh's.
type Authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority for a trust domain.
func NewAuthority(t testing.TB, domain string) *Authority {
	t.Helper()
	a := &Authority{t: t, key: newKey(t)}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "root " + serial.Text(16)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		URIs: []*url.URL{{Scheme: "spiffe", Host: domain}},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Issue returns a certificate for a SPIFFE ID that ends at that time.
func (a *Authority) Issue(id string, end time.Time) tls.Certificate {
	a.t.Helper()
	u, err := url.Parse(id)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, URIs: []*url.URL{u},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// PEM returns the certificate and the key as Consul takes them.
func (a *Authority) PEM() (cert, key string) {
	a.t.Helper()
	der, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

// MeshRoots is what Consul tells of the mesh's authorities.
type MeshRoots struct {
	ActiveRootID string
	TrustDomain  string
	Roots        []struct{ ID, RootCert string }
}

// MeshRoots asks for the mesh's authorities.
func (c *Consul) MeshRoots() MeshRoots {
	c.t.Helper()
	var r MeshRoots
	c.must(c.Get(c.t.Context(), "/v1/connect/ca/roots", &r))
	return r
}

// RotateMeshRoot makes a new authority the mesh's and returns it.
func (c *Consul) RotateMeshRoot() *Authority {
	c.t.Helper()
	before := c.MeshRoots()
	a := NewAuthority(c.t, before.TrustDomain)
	cert, key := a.PEM()
	c.must(c.Put(c.t.Context(), "/v1/connect/ca/configuration", map[string]any{
		"Provider": "consul", "Config": map[string]any{"RootCert": cert, "PrivateKey": key},
	}, nil))
	if after := c.MeshRoots(); after.ActiveRootID == before.ActiveRootID {
		c.t.Fatal("Consul did not make the new root the active one")
	}
	return a
}

// Leaf returns the certificate that Consul gives a service.
func (c *Consul) Leaf(service string) tls.Certificate {
	c.t.Helper()
	var leaf struct{ CertPEM, PrivateKeyPEM string }
	c.must(c.Get(c.t.Context(), "/v1/agent/connect/ca/leaf/"+service, &leaf))
	pair, err := tls.X509KeyPair([]byte(leaf.CertPEM), []byte(leaf.PrivateKeyPEM))
	if err != nil {
		c.t.Fatal(err)
	}
	return pair
}
