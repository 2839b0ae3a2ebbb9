package certs

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strings"
)

// choice tells which certificate a client is shown. It is immutable.
type choice struct {
	first     *tls.Certificate              // nil where there is none at all
	names     map[string][]*tls.Certificate // lower case; "*.x" for one label before x
	addresses map[netip.Addr][]*tls.Certificate
}

// newChoice indexes certificates by the names that they are valid for. Where
// several have a name, they are asked in their order.
func newChoice(all []*tls.Certificate) *choice {
	c := &choice{names: map[string][]*tls.Certificate{}, addresses: map[netip.Addr][]*tls.Certificate{}}
	if len(all) > 0 {
		c.first = all[0]
	}
	for _, cert := range all {
		for _, name := range cert.Leaf.DNSNames {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			c.names[name] = append(c.names[name], cert)
		}
		for _, ip := range cert.Leaf.IPAddresses {
			if a, ok := netip.AddrFromSlice(ip); ok {
				c.addresses[a.Unmap()] = append(c.addresses[a.Unmap()], cert)
			}
		}
	}
	return c
}

// choose returns the certificate for the name that the client asks for (RFC 6066
// section 3): one that has it, or else one with the wildcard that covers it, of
// one label. Addresses are no such names; a client that names nothing gets the
// certificate with the address that it connected to. Where nothing fits, it is
// the first one: the client judges it, and says so to its user better than we
// could. Nil is where there is none yet.
func (c *choice) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if name == "" {
		if hello.Conn == nil {
			return c.first
		}
		local, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String())
		if err != nil {
			return c.first
		}
		return c.suitable(hello, c.addresses[local.Addr().Unmap().WithZone("")])
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return c.suitable(hello, c.addresses[a.Unmap()])
	}
	some := c.names[name]
	if _, parent, ok := strings.Cut(name, "."); ok && len(some) == 0 {
		some = c.names["*."+parent]
	}
	return c.suitable(hello, some)
}

// suitable returns the first that the client can verify, so that an ECDSA and an
// RSA certificate may stand for one name.
func (c *choice) suitable(hello *tls.ClientHelloInfo, some []*tls.Certificate) *tls.Certificate {
	switch len(some) {
	case 0:
		return c.first
	case 1:
		return some[0]
	}
	i := slices.IndexFunc(some, func(cert *tls.Certificate) bool { return hello.SupportsCertificate(cert) == nil })
	return some[max(i, 0)]
}
