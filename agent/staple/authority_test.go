package staple

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/crypto/ocsp"
)

// responderURL is named by certificates that a test's transport answers for.
const responderURL = "http://ocsp.test/"

// authority signs certificates, and what is said of them.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  crypto.Signer
}

func newKey(t testing.TB) crypto.Signer {
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
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, a.key)
	return a
}

// sign makes a certificate of the template, for ten years unless that says otherwise.
func (a *authority) sign(template *x509.Certificate, key crypto.Signer) *x509.Certificate {
	a.t.Helper()
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-24*time.Hour), time.Now().Add(10*365*24*time.Hour)
	}
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// feature is the extension by which a certificate must be stapled.
func feature(t testing.TB, value string) pkix.Extension {
	t.Helper()
	return pkix.Extension{Id: oidFeature, Value: []byte(value)}
}

// mustFeature is the sequence of the number 5.
const mustFeature = "\x30\x03\x02\x01\x05"

// issue returns a certificate with its issuer's, whose responders are these.
func (a *authority) issue(serial int64, more []pkix.Extension, responders ...string) *tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	leaf := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "shop.test"}, DNSNames: []string{"shop.test"},
		OCSPServer: responders, ExtraExtensions: more,
	}, key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
}

// says returns what the authority itself says of a certificate.
func (a *authority) says(r ocsp.Response) []byte { return a.saysBy(r, a.cert, a.cert, a.key) }

// saysBy returns a response about a certificate of the issuer, signed by another.
func (a *authority) saysBy(r ocsp.Response, issuer, by *x509.Certificate, key crypto.Signer) []byte {
	a.t.Helper()
	if !by.Equal(a.cert) {
		r.Certificate = by
	}
	raw, err := ocsp.CreateResponse(issuer, by, r, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return raw
}

// fresh is a response of now for so long.
func fresh(serial int64, status int, life time.Duration) ocsp.Response {
	r := ocsp.Response{Status: status, SerialNumber: big.NewInt(serial), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(life)}
	if status == ocsp.Revoked {
		r.RevokedAt, r.RevocationReason = time.Now().Add(-time.Minute), ocsp.KeyCompromise
	}
	return r
}

// responder answers questions without a network. It is an http.RoundTripper.
type responder struct {
	mu     sync.Mutex
	answer func(*ocsp.Request) ([]byte, error) // an error is a broken connection
	asked  []time.Time
}

func (r *responder) RoundTrip(q *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	question, err := ocsp.ParseRequest(text)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	answer := r.answer
	r.asked = append(r.asked, time.Now())
	r.mu.Unlock()
	raw, err := answer(question)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(raw)), Request: q}, nil
}

// says has the responder answer so from now on.
func (r *responder) says(answer func(*ocsp.Request) ([]byte, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// times returns when it was asked, since the last call.
func (r *responder) times() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.asked
	r.asked = nil
	return out
}

// logText collects log lines.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was logged since the last take.
func (l *logText) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b.Reset()
	return s
}

func (l *logText) logger() hclog.Logger { return hclog.New(&hclog.LoggerOptions{Output: l}) }
