package staple

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// skew is how far a responder's clock may be ahead of ours.
	skew = 5 * time.Minute
	// endless is how long a response is held that does not say when there will be a
	// newer one, which RFC 6960 section 4.2.2.1 allows.
	endless = time.Hour
)

// answer is a response that is verified: the certificate is good, or revoked. It is
// immutable.
type answer struct {
	raw        []byte
	revoked    bool
	revokedAt  time.Time
	this, next time.Time // when it was known to be right, and when it ends
}

// good reports whether the answer can be shown.
func (a *answer) good(now time.Time) bool { return a != nil && !a.revoked && now.Before(a.next) }

// verify reads a response about a certificate and believes it only if it is from the
// certificate's issuer, or from one that the issuer has appointed (RFC 6960 section
// 4.2.2.2), of now, and about this certificate.
func verify(raw []byte, s *subject, now time.Time) (*answer, error) {
	r, err := ocsp.ParseResponseForCert(raw, s.leaf, nil) // who has signed it is looked at below
	if err != nil {
		return nil, err
	}
	a := &answer{raw: raw, revoked: r.Status == ocsp.Revoked, revokedAt: r.RevokedAt, this: r.ThisUpdate, next: r.NextUpdate}
	if a.next.IsZero() {
		a.next = a.this.Add(endless)
	}
	signer := s.issuer
	if c := r.Certificate; c != nil && !c.Equal(s.issuer) {
		if err := appointed(c, s.issuer, now); err != nil {
			return nil, err
		}
		if c.NotAfter.Before(a.next) {
			a.next = c.NotAfter
		}
		signer = c
	}
	if err := r.CheckSignatureFrom(signer); err != nil {
		return nil, fmt.Errorf("the response is not signed by whom it should be: %w", err)
	}
	if !about(r, s) {
		return nil, errors.New("the response is about another issuer's certificate")
	}
	switch {
	case now.Add(skew).Before(a.this):
		return nil, fmt.Errorf("the response is of a later time, %s", a.this.UTC().Format(time.RFC3339))
	case !now.Before(a.next):
		return nil, fmt.Errorf("the response has ended, on %s", a.next.UTC().Format(time.RFC3339))
	case r.Status == ocsp.Unknown:
		return nil, errors.New("the responder does not know the certificate")
	}
	return a, nil
}

// appointed says what is wrong with a certificate by which another than the issuer
// signs responses.
func appointed(c, issuer *x509.Certificate, now time.Time) error {
	if err := c.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("the responder's certificate is not from the certificate's issuer: %w", err)
	}
	switch {
	case !bytes.Equal(c.RawIssuer, issuer.RawSubject):
		return errors.New("the responder's certificate names another issuer")
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("the responder's certificate is not one for signing OCSP responses")
	case now.Before(c.NotBefore) || now.After(c.NotAfter):
		return errors.New("the responder's certificate is out of date")
	}
	return nil
}

// certID is what a response says whom it is about (RFC 6960 section 4.1.1).
type certID struct {
	Hash                  pkix.AlgorithmIdentifier
	IssuerName, IssuerKey []byte // digests
	Serial                *big.Int
}

// about reports whether the part of the response that was read, the first with the
// serial number, is about a certificate of this issuer: another one may have given
// the same number.
func about(r *ocsp.Response, s *subject) bool {
	var data struct {
		Version    int `asn1:"optional,default:0,explicit,tag:0"`
		Responder  asn1.RawValue
		ProducedAt time.Time `asn1:"generalized"`
		Responses  []struct{ ID certID }
	}
	var key struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(r.TBSResponseData, &data); err != nil {
		return false
	}
	if _, err := asn1.Unmarshal(s.issuer.RawSubjectPublicKeyInfo, &key); err != nil {
		return false
	}
	digest := func(text []byte) []byte {
		h := r.IssuerHash.New()
		h.Write(text)
		return h.Sum(nil)
	}
	for _, one := range data.Responses {
		if id := one.ID; id.Serial.Cmp(s.leaf.SerialNumber) == 0 {
			// The two may spell the name differently.
			named := bytes.Equal(id.IssuerName, digest(s.issuer.RawSubject)) || bytes.Equal(id.IssuerName, digest(s.leaf.RawIssuer))
			return named && bytes.Equal(id.IssuerKey, digest(key.Key.RightAlign()))
		}
	}
	return false
}
