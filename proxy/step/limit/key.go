package limit

import (
	"net/netip"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// fallback marks the kind of a part that was missing and is the client's
// address instead. A client that leaves the part out shares its budget with
// nobody, and escapes no limit.
const fallback = 0x80

// appendKey builds the key of an exchange for this limit.
func (l *Limit) appendKey(b []byte, x *proxy.Exchange) []byte {
	for i := range l.Spec.Key {
		b = l.appendPart(b, x, &l.Spec.Key[i])
	}
	return b
}

func (l *Limit) appendPart(b []byte, x *proxy.Exchange, p *KeyPart) []byte {
	kind := byte(p.Kind)
	switch p.Kind {
	case ClientIP:
		return l.appendAddress(b, kind, x.Client)
	case ClientCert:
		if digest := x.Conn.ClientCert(); digest != nil {
			return limits.AppendPart(b, kind, digest)
		}
	case JWTClaim:
		if x.Identity != nil {
			if v, ok := x.Identity.Claim(p.Path); ok && v != "" {
				b = limits.AppendPartString(b, kind, x.Identity.Provider())
				return limits.AppendPartString(b, kind, v)
			}
		}
	case UserName:
		if x.User.Name != "" {
			b = limits.AppendPartString(b, kind, x.User.Source)
			return limits.AppendPartString(b, kind, x.User.Name)
		}
	case RequestHeader:
		if v, ok := x.Request.Fields.Lookup(p.Name); ok && len(v) > 0 {
			return limits.AppendPart(b, kind, v)
		}
	case RequestHost:
		return limits.AppendPartString(b, kind, l.hosts.Class(x.Request.Host))
	case RequestMethod:
		return limits.AppendPartString(b, kind, x.Request.Verb.String())
	case RouteName:
		if x.Route != nil {
			return limits.AppendPartString(b, kind, x.Route.Name())
		}
	case ServiceName:
		if x.Route != nil {
			return limits.AppendPartString(b, kind, x.Route.Service)
		}
	}
	return l.appendAddress(b, kind|fallback, x.Client)
}

// appendAddress appends the client's network: its address cut to the limit's
// prefix, since whoever has one IPv6 address has a /64 of them.
func (l *Limit) appendAddress(b []byte, kind byte, a netip.Addr) []byte {
	bits := l.Spec.IPv6Prefix
	if a.Is4() {
		bits = l.Spec.IPv4Prefix
	}
	p, err := a.Prefix(bits)
	if err != nil { // no valid address, or a prefix longer than it has bits
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if n := p.Addr(); n.Is4() {
		raw := n.As4()
		return limits.AppendPart(b, kind, raw[:])
	}
	raw := p.Addr().As16()
	return limits.AppendPart(b, kind, raw[:])
}
