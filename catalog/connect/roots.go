package connect

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// maxChain bounds the certificates that a peer may show.
const maxChain = 10

// Roots are the authorities that vouch for who is in the mesh. They are
// immutable.
type Roots struct {
	// TrustDomain is the mesh's name, the host of every SPIFFE ID in it.
	TrustDomain string
	// Active is the ID of the root that signs now. The others are those that
	// signed before: peers rotate later than we do.
	Active string

	pool *x509.CertPool
	ids  []string
}

// newRoots takes in all roots that Consul tells of, the inactive ones too.
func newRoots(list *api.CARootList) (*Roots, error) {
	if list == nil || list.TrustDomain == "" {
		return nil, errors.New("consul tells no trust domain")
	}
	r := &Roots{TrustDomain: list.TrustDomain, Active: list.ActiveRootID, pool: x509.NewCertPool()}
	for _, root := range list.Roots {
		if root == nil {
			continue
		}
		certs, err := parseChain(root.RootCertPEM)
		if err != nil {
			return nil, fmt.Errorf("root %q: %w", root.ID, err)
		}
		for _, c := range certs {
			r.pool.AddCert(c)
		}
		r.ids = append(r.ids, root.ID)
	}
	if len(r.ids) == 0 {
		return nil, errors.New("consul tells no root certificate")
	}
	return r, nil
}

// equal reports whether both vouch for the same.
func (r *Roots) equal(o *Roots) bool {
	return r != nil && o != nil && r.TrustDomain == o.TrustDomain && r.Active == o.Active && r.pool.Equal(o.pool)
}

// parseChain reads certificates in PEM; at least one.
func parseChain(text string) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for rest := []byte(text); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing a certificate: %w", err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return list, nil
}

// VerifyError is a peer that is not who it should be, or can't prove it.
type VerifyError struct{ Err error }

// Error says what is wrong with the peer.
func (e *VerifyError) Error() string { return "mesh: peer refused: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *VerifyError) Unwrap() error { return e.Err }

// identify returns the service that the chain, the peer's own certificate first,
// vouches for at that time: a root vouches for the chain, the certificate is for
// that usage, and its only URI names a service of this trust domain.
func (r *Roots) identify(chain []*x509.Certificate, usage x509.ExtKeyUsage, now time.Time) (ID, error) {
	switch {
	case len(chain) == 0:
		return ID{}, &VerifyError{errors.New("it shows no certificate")}
	case len(chain) > maxChain:
		return ID{}, &VerifyError{fmt.Errorf("it shows %d certificates", len(chain))}
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: r.pool, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return ID{}, &VerifyError{err}
	}
	return r.named(chain[0])
}

// named returns the service that a certificate, which has been verified, names.
func (r *Roots) named(c *x509.Certificate) (ID, error) {
	if len(c.URIs) != 1 {
		return ID{}, &VerifyError{fmt.Errorf("its certificate has %d URIs instead of one", len(c.URIs))}
	}
	id, err := ParseID(c.URIs[0])
	if err != nil {
		return ID{}, &VerifyError{err}
	}
	if err := r.ours(id); err != nil {
		return ID{}, err
	}
	return id, nil
}

// ours says why a service is none of this mesh, nil when it is one.
func (r *Roots) ours(id ID) error {
	if !strings.EqualFold(id.TrustDomain, r.TrustDomain) {
		return &VerifyError{fmt.Errorf("it is %s, of another trust domain than %s", id, r.TrustDomain)}
	}
	return nil
}

// expect is identify for a peer that has to be one certain service.
func (r *Roots) expect(chain []*x509.Certificate, want ID, now time.Time) error {
	got, err := r.identify(chain, x509.ExtKeyUsageServerAuth, now)
	if err != nil {
		return err
	}
	if !got.is(want) {
		return &VerifyError{fmt.Errorf("it is %s, and not %s", got, want)}
	}
	return nil
}
