package connect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

const domain = "11111111-2222-3333-4444-555555555555.consul"

// uri returns the SPIFFE ID of a service of the test's mesh.
func uri(service string) string { return "spiffe://" + domain + "/ns/default/dc/dc1/svc/" + service }

// authority signs certificates for a test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, URIs: []*url.URL{{Scheme: "spiffe", Host: domain}},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key, nil)
	return a
}

// sign completes and signs a template; by nil itself.
func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey, by *authority) *x509.Certificate {
	a.t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = serial
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// template is a service's certificate with these URIs, for both usages.
func template(t testing.TB, uris ...string) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, s := range uris {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		c.URIs = append(c.URIs, u)
	}
	return c
}

// issue returns a certificate for the URIs.
func (a *authority) issue(uris ...string) *x509.Certificate {
	a.t.Helper()
	return a.sign(template(a.t, uris...), newKey(a.t), a)
}

// cross lets this authority vouch for another one's key.
func (a *authority) cross(o *authority) *x509.Certificate {
	a.t.Helper()
	return a.sign(&x509.Certificate{
		Subject: o.cert.Subject, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: o.cert.SubjectKeyId,
	}, o.key, a)
}

func text(certs ...*x509.Certificate) string {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return string(out)
}

// leaf returns what an agent answers for a service.
func (a *authority) leaf(service string, expires time.Time, between ...*x509.Certificate) *api.LeafCert {
	a.t.Helper()
	key := newKey(a.t)
	c := template(a.t, uri(service))
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), expires
	cert := a.sign(c, key, a)
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &api.LeafCert{
		SerialNumber: cert.SerialNumber.Text(16), Service: service, ServiceURI: uri(service),
		CertPEM:       text(append([]*x509.Certificate{cert}, between...)...),
		PrivateKeyPEM: string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})),
		ValidBefore:   expires,
	}
}

// rootsOf is what Consul tells when the first signs and the others did.
func rootsOf(all ...*authority) *api.CARootList {
	list := &api.CARootList{TrustDomain: domain}
	for i, a := range all {
		id := a.cert.SerialNumber.Text(16)
		if i == 0 {
			list.ActiveRootID = id
		}
		list.Roots = append(list.Roots, &api.CARoot{ID: id, RootCertPEM: text(a.cert), Active: i == 0})
	}
	return list
}
