package certs

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"
)

// Status tells people about one certificate.
type Status struct {
	// CertFile is where it is from; empty for one that a Keeper has.
	CertFile string
	// Names are the names and addresses that the certificate is valid for.
	Names               []string
	Issuer              string
	Serial              string // in hexadecimal
	NotBefore, NotAfter time.Time
	// Certificate is what is told of.
	Certificate *tls.Certificate
}

// Certificates returns what is shown now: those in files, in the order of the
// configuration, and then those of the Keeper.
func (s *Server) Certificates() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Status
	for i, p := range s.set.pairs {
		status := StatusOf(p.value)
		status.CertFile = s.set.spec.Pairs[i].CertFile
		out = append(out, status)
	}
	for _, c := range s.set.kept {
		out = append(out, StatusOf(c))
	}
	return out
}

// StatusOf tells of a certificate that has its Leaf.
func StatusOf(c *tls.Certificate) Status {
	return Status{
		Names: namesOf(c.Leaf), Issuer: c.Leaf.Issuer.String(), Serial: c.Leaf.SerialNumber.Text(16),
		NotBefore: c.Leaf.NotBefore, NotAfter: c.Leaf.NotAfter, Certificate: c,
	}
}

func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
