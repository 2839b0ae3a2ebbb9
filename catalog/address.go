package catalog

import (
	"net/netip"
	"strings"
)

// Reach is the rule that says which addresses requests may be sent to. A
// registration is input from elsewhere: whoever may write one must not be able
// to turn the gateway against its own machine, its link or itself. The zero
// value allows neither loopback addresses nor knows any of the gateway's own.
type Reach struct {
	// Local allows loopback addresses: the instance is known to run on the
	// gateway's own machine.
	Local bool
	// Own reports whether an address is one of the gateway's own listeners. It
	// is asked with IPv4-mapped addresses unmapped and without a zone. Nil
	// means that there are none.
	Own func(netip.AddrPort) bool
}

// Refuse says why no request may be sent to the address; empty means that one
// may. Whoever resolves a host name asks this for each address that it got.
func (r Reach) Refuse(ap netip.AddrPort) string {
	if !ap.IsValid() {
		return "no valid IP address"
	}
	a := ap.Addr().Unmap().WithZone("")
	switch {
	case a.IsUnspecified():
		return "the unspecified address"
	case a.IsMulticast():
		return "a multicast address"
	case a.IsLinkLocalUnicast():
		return "a link-local address"
	case a.Is4() && (a.As4()[0] == 0 || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})):
		return "not the address of a host"
	case a.IsLoopback() && !r.Local:
		return "a loopback address, and not known to be on this machine"
	case ap.Port() == 0:
		return "no port"
	case r.Own != nil && r.Own(netip.AddrPortFrom(a, ap.Port())):
		return "the gateway's own address"
	}
	return ""
}

// RefuseHost is Refuse for what a registration holds: an IP address without
// brackets, or a host name. A name is judged by its form only; the addresses
// that it resolves to must be put to Refuse when they are dialled.
func (r Reach) RefuseHost(host string, port int) string {
	if port <= 0 {
		return "no port"
	}
	if port > 65535 {
		return "no valid port"
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return r.Refuse(netip.AddrPortFrom(a, uint16(port)))
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if name == "" {
		return "no address"
	}
	if !isHostName(name) {
		return "neither an IP address nor a host name"
	}
	if (name == "localhost" || strings.HasSuffix(name, ".localhost")) && !r.Local {
		return "a loopback name, and not known to be on this machine"
	}
	return ""
}

// isHostName reports whether a lower-case name may be given to a resolver. A
// name whose last label is a number ("127.1", "0x7f.1") is refused, because
// some resolvers read it as an IPv4 address (RFC 1123 section 2.1).
func isHostName(name string) bool {
	if len(name) > 253 {
		return false
	}
	var last string
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
		last = label
	}
	return last[0] < '0' || last[0] > '9'
}
