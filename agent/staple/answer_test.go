package staple

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

const serial = 77

func subjectOf(t testing.TB, c *tls.Certificate) *subject {
	t.Helper()
	s := newSubject(c)
	if s == nil || s.flaw != nil {
		t.Fatalf("got %+v", s)
	}
	return s
}

func TestVerify(t *testing.T) {
	a, other := newAuthority(t, "authority"), newAuthority(t, "other")
	s := subjectOf(t, a.issue(serial, nil, responderURL))
	now := time.Now()
	signer := func(by *authority, usage x509.ExtKeyUsage, from, to time.Duration) func(ocsp.Response) []byte {
		key := newKey(t)
		c := by.sign(&x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "signer"}, ExtKeyUsage: []x509.ExtKeyUsage{usage},
			KeyUsage: x509.KeyUsageDigitalSignature, NotBefore: now.Add(from), NotAfter: now.Add(to),
		}, key)
		return func(r ocsp.Response) []byte { return a.saysBy(r, a.cert, c, key) }
	}
	response := func(status int, from, to time.Duration) ocsp.Response {
		r := fresh(serial, status, time.Hour)
		r.ThisUpdate, r.NextUpdate = now.Add(from), now.Add(to)
		return r
	}
	good := response(ocsp.Good, -time.Hour, time.Hour)
	flipped := a.says(good)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		raw  []byte
		want string // of the error, "" for none
		next time.Duration
	}{
		"good":                     {a.says(good), "", time.Hour},
		"revoked":                  {a.says(response(ocsp.Revoked, -time.Hour, time.Hour)), "", time.Hour},
		"unknown":                  {a.says(response(ocsp.Unknown, -time.Hour, time.Hour)), "does not know", 0},
		"stale":                    {a.says(response(ocsp.Good, -2*time.Hour, -time.Second)), "has ended", 0},
		"of a clock ahead":         {a.says(response(ocsp.Good, 4*time.Minute, time.Hour)), "", time.Hour},
		"of tomorrow":              {a.says(response(ocsp.Good, 6*time.Minute, time.Hour)), "later time", 0},
		"of another serial":        {a.says(fresh(serial+1, ocsp.Good, time.Hour)), "no response matching", 0},
		"of another issuer":        {a.saysBy(good, other.cert, a.cert, a.key), "another issuer", 0},
		"by nobody":                {a.saysBy(good, a.cert, a.cert, other.key), "not signed by whom it should be", 0},
		"by another authority":     {a.saysBy(good, a.cert, other.cert, other.key), "not from the certificate's issuer", 0},
		"by one appointed":         {signer(a, x509.ExtKeyUsageOCSPSigning, -time.Hour, 2*time.Hour)(good), "", time.Hour},
		"by one appointed briefly": {signer(a, x509.ExtKeyUsageOCSPSigning, -time.Hour, time.Minute)(good), "", time.Minute},
		"by one not for this":      {signer(a, x509.ExtKeyUsageServerAuth, -time.Hour, time.Hour)(good), "not one for signing", 0},
		"by one out of date":       {signer(a, x509.ExtKeyUsageOCSPSigning, -time.Hour, -time.Minute)(good), "out of date", 0},
		"by another's":             {signer(other, x509.ExtKeyUsageOCSPSigning, -time.Hour, time.Hour)(good), "not from the certificate's issuer", 0},
		"try later":                {ocsp.TryLaterErrorResponse, "try later", 0},
		"unauthorized":             {ocsp.UnauthorizedErrorResponse, "unauthorized", 0},
		"nothing":                  {nil, "asn1", 0},
		"nonsense":                 {[]byte("<html>"), "asn1", 0},
		"with more behind":         {append(a.says(good), 0), "trailing data", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verify(c.raw, s, now)
			switch {
			case c.want != "":
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			case err != nil:
				t.Error(err)
			case got.revoked != (name == "revoked") || got.next.Sub(now).Round(2*time.Second) != c.next:
				t.Errorf("got %+v, which ends in %v", got, got.next.Sub(now))
			}
		})
	}
	if _, err := verify(flipped, s, now); err == nil {
		t.Error("a response with a wrong bit was believed")
	}
	// RFC 6960 lets a response say nothing about its end.
	open := response(ocsp.Good, -endless/2, 0)
	open.NextUpdate = time.Time{}
	raw := a.says(open)
	if got, err := verify(raw, s, now); err != nil || !got.good(now) {
		t.Errorf("a response without an end: %v", err)
	}
	if _, err := verify(raw, s, now.Add(endless)); err == nil {
		t.Error("a response without an end was believed for ever")
	}
}

// TestVerifyIntermediate believes an issuer that is not at the root, and sends its own
// certificate along, but nobody above it.
func TestVerifyIntermediate(t *testing.T) {
	root := newAuthority(t, "root")
	a := &authority{t: t, key: newKey(t)}
	a.cert = root.sign(&x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "intermediate"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, a.key)
	s, r := subjectOf(t, a.issue(serial, nil, responderURL)), fresh(serial, ocsp.Good, time.Hour)
	if _, err := verify(a.says(r), s, time.Now()); err != nil {
		t.Errorf("without its certificate: %v", err)
	}
	r.Certificate = a.cert
	if _, err := verify(a.says(r), s, time.Now()); err != nil {
		t.Errorf("with its certificate: %v", err)
	}
	if _, err := verify(a.saysBy(r, a.cert, root.cert, root.key), s, time.Now()); err == nil {
		t.Error("the root is believed, which has not signed the certificate")
	}
}

// TestSubject reads who is asked about a certificate.
func TestSubject(t *testing.T) {
	a, other := newAuthority(t, "authority"), newAuthority(t, "other")
	must := []pkix.Extension{feature(t, mustFeature)}
	alone := a.issue(1, must, responderURL)
	alone.Certificate = alone.Certificate[:1]
	mixed := a.issue(1, nil, responderURL)
	mixed.Certificate = [][]byte{mixed.Certificate[0], other.cert.Raw, []byte("nonsense"), a.cert.Raw}
	wrong := a.issue(1, must, responderURL)
	wrong.Certificate[1] = other.cert.Raw
	for name, c := range map[string]struct {
		cert *tls.Certificate
		none bool
		flaw error
		must error // of Flaw
	}{
		"without a responder":       {a.issue(1, nil), true, nil, nil},
		"with another feature":      {a.issue(1, []pkix.Extension{feature(t, "\x30\x03\x02\x01\x11")}), true, nil, nil},
		"with a broken feature":     {a.issue(1, []pkix.Extension{feature(t, "\x05")}), true, nil, nil},
		"with a responder":          {a.issue(1, nil, responderURL), false, nil, nil},
		"by https":                  {a.issue(1, nil, "https://ocsp.test"), false, nil, nil},
		"by LDAP":                   {a.issue(1, nil, "ldap://ocsp.test"), false, errNoHTTP, nil},
		"with a user":               {a.issue(1, nil, "http://me:secret@ocsp.test"), false, errNoHTTP, nil},
		"without a host":            {a.issue(1, nil, "http:///ocsp"), false, errNoHTTP, nil},
		"that must, by nobody":      {a.issue(1, must), false, errNoResponder, errNoResponder},
		"that must, by a responder": {a.issue(1, must, responderURL), false, nil, nil},
		"without its issuer":        {alone, false, errNoIssuer, errNoIssuer},
		"with another issuer":       {wrong, false, errNoIssuer, errNoIssuer},
		"with its issuer last":      {mixed, false, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(c.cert)
			if (s == nil) != c.none || s != nil && !errors.Is(s.flaw, c.flaw) {
				t.Errorf("got %+v", s)
			}
			if got := Flaw(c.cert); !errors.Is(got, c.must) {
				t.Errorf("got %v, want %v", got, c.must)
			}
		})
	}
	many := a.issue(1, nil, "ldap://a.test", "http://b.test", "http://c.test", "http://d.test", "http://e.test", "http://f.test")
	if got := newSubject(many).responders; len(got) != maxResponders || got[0] != "http://b.test" {
		t.Errorf("got %q", got)
	}
}

// FuzzVerify believes nothing that the authority has not signed.
func FuzzVerify(f *testing.F) {
	a, now := newAuthority(f, "authority"), time.Now()
	s := subjectOf(f, a.issue(serial, nil, responderURL))
	signed := a.says(fresh(serial, ocsp.Good, time.Hour))
	f.Add(signed)
	f.Add(a.says(fresh(serial, ocsp.Revoked, time.Hour)))
	f.Add(ocsp.TryLaterErrorResponse)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := verify(raw, s, now)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %+v and %v", got, err)
		}
		if err != nil {
			return
		}
		r, err := ocsp.ParseResponseForCert(raw, s.leaf, s.issuer)
		if err != nil || r.CheckSignatureFrom(a.cert) != nil && r.Certificate == nil {
			t.Fatalf("%x is believed", raw)
		}
	})
}
