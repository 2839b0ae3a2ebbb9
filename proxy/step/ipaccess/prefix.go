package ipaccess

import (
	"fmt"
	"net/netip"
	"strings"
)

// mapped is how many bits stand before an IPv4 address that is mapped into IPv6
// (RFC 4291 section 2.5.5.2).
const mapped = 96

// ParsePrefix reads a network such as "10.0.0.0/8", or one address. IPv4 that is
// mapped into IPv6 becomes IPv4. An address with bits behind its prefix is an
// error: one of the two is not what was meant.
func ParsePrefix(s string) (netip.Prefix, error) {
	var p netip.Prefix
	if strings.Contains(s, "/") {
		var err error
		if p, err = netip.ParsePrefix(s); err != nil {
			return p, fmt.Errorf("%q is not a network such as 10.0.0.0/8 or 2001:db8::/32", s)
		}
	} else {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return p, fmt.Errorf("%q is not an address, nor a network such as 10.0.0.0/8", s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-mapped)
	}
	if m := p.Masked(); m != p {
		return p, fmt.Errorf("%q has bits behind its prefix; the network is %s", s, m)
	}
	return p, nil
}
