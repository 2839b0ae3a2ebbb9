package proxy

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"sync"
)

// ClientCertificate is one that a client has shown and that was verified. It is
// immutable.
type ClientCertificate struct {
	digest [sha256.Size]byte
	cert   *x509.Certificate
	permit Permit // nil where the listener permits all

	once                      sync.Once
	subject, serial, dns, uri string
}

// ClientCert returns the SHA-256 digest of the certificate that the client has
// shown and that was verified, nil when there is none.
func (c *Conn) ClientCert() []byte {
	if d := c.cert.Load(); d != nil {
		return d.digest[:]
	}
	return nil
}

// ClientCertificate returns that certificate, nil when there is none.
func (c *Conn) ClientCertificate() *ClientCertificate { return c.cert.Load() }

// SetClientCert takes note of the verified certificate of the client. It is known
// once the handshake is over, and does not change any more.
func (c *Conn) SetClientCert(cert *x509.Certificate) {
	if c.cert.Load() != nil {
		return
	}
	shown := &ClientCertificate{digest: sha256.Sum256(cert.Raw), cert: cert}
	if l := c.Listener; l != nil && l.Permits != nil {
		shown.permit = l.Permits(cert)
	}
	c.cert.Store(shown)
}

// write makes the texts, for those alone who ask.
func (c *ClientCertificate) write() {
	c.once.Do(func() {
		c.subject = c.cert.Subject.String()
		if c.cert.SerialNumber != nil {
			c.serial = c.cert.SerialNumber.Text(16)
		}
		c.dns = listed(c.cert.DNSNames)
		uris := make([]string, 0, len(c.cert.URIs))
		for _, u := range c.cert.URIs {
			uris = append(uris, u.String())
		}
		c.uri = listed(uris)
	})
}

// listed joins names by commas, and escapes those inside them: nobody makes two names
// of one.
func listed(names []string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strings.ReplaceAll(n, ",", "%2C"))
	}
	return b.String()
}

// Subject is whom the certificate is for (RFC 2253).
func (c *ClientCertificate) Subject() string { c.write(); return c.subject }

// Serial is its serial number, in hexadecimal.
func (c *ClientCertificate) Serial() string { c.write(); return c.serial }

// DNSNames are the names of hosts that it is for, joined by commas. A comma inside
// one is written %2C.
func (c *ClientCertificate) DNSNames() string { c.write(); return c.dns }

// URIs are the URIs that it is for, such as a SPIFFE ID, joined likewise.
func (c *ClientCertificate) URIs() string { c.write(); return c.uri }

// AppendDER appends the certificate as the field Client-Cert has it (RFC 9440 section
// 2.1): DER in base64, between colons.
func (c *ClientCertificate) AppendDER(dst []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, ':'), c.cert.Raw), ':')
}
