package tcp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Announcement is how an instance is told whose passage it is, before the first byte
// (haproxy.org, proxy-protocol.txt).
type Announcement uint8

// The ways. The zero value is Unannounced.
const (
	Unannounced Announcement = iota
	AnnounceV1               // a line of text
	AnnounceV2               // binary
)

var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// Of version 2: what goes before the addresses, and the type of the element that
// holds the name that the client asked for.
const (
	commandProxy  = 0x21
	overIPv4      = 0x11
	overIPv6      = 0x21
	elementDomain = 0x02 // PP2_TYPE_AUTHORITY
)

// header returns what the instance is told: client is who it is, local the address
// that it came to. Where they are of two families, IPv4 is written as IPv6.
func (a Announcement) header(client, local netip.AddrPort, name string) []byte {
	from, to := client.Addr().Unmap().WithZone(""), local.Addr().Unmap().WithZone("")
	switch known := from.IsValid() && to.IsValid(); {
	case a == Unannounced:
		return nil
	case !known && a == AnnounceV1:
		return []byte("PROXY UNKNOWN\r\n")
	case !known: // LOCAL
		return append(append([]byte(nil), signature...), 0x20, 0, 0, 0)
	}
	four := from.Is4() && to.Is4()
	if a == AnnounceV1 {
		family := "TCP6"
		if four {
			family = "TCP4"
		}
		return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, text(from, four), text(to, four), client.Port(), local.Port())
	}
	b := append(append([]byte(nil), signature...), commandProxy, overIPv6, 0, 0)
	if four {
		b[13] = overIPv4
		b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	} else {
		f, t := from.As16(), to.As16()
		b = append(append(b, f[:]...), t[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, client.Port())
	b = binary.BigEndian.AppendUint16(b, local.Port())
	if name != "" {
		b = append(b, elementDomain)
		b = binary.BigEndian.AppendUint16(b, uint16(len(name))) //nolint:gosec // at most 253
		b = append(b, name...)
	}
	binary.BigEndian.PutUint16(b[14:], uint16(len(b)-16)) //nolint:gosec // some hundreds at most
	return b
}

// text writes an address as one of the family.
func text(a netip.Addr, four bool) string {
	if four || a.Is6() {
		return a.String()
	}
	return netip.AddrFrom16(a.As16()).String() // ::ffff:192.0.2.1
}
