package connect

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

// Leaf is the gateway's own certificate in the mesh, and its key. It is
// immutable.
type Leaf struct {
	// ID is who the certificate says that the gateway is.
	ID ID
	// Serial tells certificates apart, in hexadecimal.
	Serial string
	// NotBefore and NotAfter bound its life.
	NotBefore, NotAfter time.Time

	pair *tls.Certificate // with the certificates between it and the root
}

// newLeaf reads what Consul's agent made for the service.
func newLeaf(l *api.LeafCert, service string) (*Leaf, error) {
	pair, err := tls.X509KeyPair([]byte(l.CertPEM), []byte(l.PrivateKeyPEM))
	if err != nil {
		return nil, fmt.Errorf("reading the leaf certificate: %w", err)
	}
	c := pair.Leaf
	if len(c.URIs) != 1 {
		return nil, fmt.Errorf("reading the leaf certificate: it has %d URIs instead of one", len(c.URIs))
	}
	id, err := ParseID(c.URIs[0])
	if err != nil {
		return nil, fmt.Errorf("reading the leaf certificate: %w", err)
	}
	if id.Service != service {
		return nil, fmt.Errorf("reading the leaf certificate: it is for service %q instead of %q", id.Service, service)
	}
	return &Leaf{ID: id, Serial: c.SerialNumber.Text(16), NotBefore: c.NotBefore, NotAfter: c.NotAfter, pair: &pair}, nil
}

// equal reports whether both are the same certificate.
func (l *Leaf) equal(o *Leaf) bool {
	if l == nil || o == nil || len(l.pair.Certificate) != len(o.pair.Certificate) {
		return false
	}
	for i, der := range l.pair.Certificate {
		if string(der) != string(o.pair.Certificate[i]) {
			return false
		}
	}
	return true
}
