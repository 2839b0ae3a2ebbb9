package staple

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net/url"
	"slices"
)

// maxResponders is how many of the responders that a certificate names are asked.
const maxResponders = 4

var (
	errNoResponder = errors.New("the certificate names no responder")
	errNoHTTP      = errors.New("the certificate names no responder that can be asked by http or https")
	errNoIssuer    = errors.New("the issuer's certificate does not follow the certificate, and without it no response can be verified")
)

// subject is a certificate as responders are asked about it. It is immutable.
type subject struct {
	id           [sha256.Size]byte // of the certificate
	leaf, issuer *x509.Certificate
	responders   []string // URLs
	must         bool     // it is not to be shown without a staple
	flaw         error    // why nobody can be asked; nil if somebody can
}

// newSubject returns nil for a certificate that has nothing to do with OCSP.
func newSubject(c *tls.Certificate) *subject {
	must := MustStaple(c.Leaf)
	if len(c.Leaf.OCSPServer) == 0 && !must {
		return nil
	}
	s := &subject{id: sha256.Sum256(c.Leaf.Raw), leaf: c.Leaf, issuer: issuerOf(c), must: must}
	for _, r := range c.Leaf.OCSPServer {
		if len(s.responders) < maxResponders && askable(r) {
			s.responders = append(s.responders, r)
		}
	}
	switch {
	case len(c.Leaf.OCSPServer) == 0:
		s.flaw = errNoResponder
	case len(s.responders) == 0:
		s.flaw = errNoHTTP
	case s.issuer == nil:
		s.flaw = errNoIssuer
	}
	return s
}

// Flaw says why a certificate that must be shown with a staple (RFC 7633) will never
// have one, nil if nothing is known to be in the way, or nothing has to be shown.
func Flaw(c *tls.Certificate) error {
	if !MustStaple(c.Leaf) {
		return nil
	}
	return newSubject(c).flaw
}

// askable reports whether a responder's URL is one that is asked.
func askable(responder string) bool {
	u, err := url.Parse(responder)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

// issuerOf returns the issuer's certificate of those that are shown with one, nil
// where it is not among them.
func issuerOf(c *tls.Certificate) *x509.Certificate {
	for _, der := range c.Certificate[min(1, len(c.Certificate)):] {
		if i, err := x509.ParseCertificate(der); err == nil && c.Leaf.CheckSignatureFrom(i) == nil {
			return i
		}
	}
	return nil
}

// oidFeature is that of the TLS feature extension (RFC 7633 section 6), and
// statusRequest the feature that is a staple.
var oidFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}

const statusRequest = 5

// MustStaple reports whether a certificate says that it is not to be believed without
// a staple (RFC 7633).
func MustStaple(c *x509.Certificate) bool {
	for _, e := range c.Extensions {
		if !e.Id.Equal(oidFeature) {
			continue
		}
		var features []int
		if _, err := asn1.Unmarshal(e.Value, &features); err == nil && slices.Contains(features, statusRequest) {
			return true
		}
	}
	return false
}
