package proxyprotocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of a header, in bytes.
const (
	maxV1 = 107
	// maxV2 bounds what the standard lets be 64 KiB: addresses take 216 at
	// most, the rest are extensions, of which nothing is read.
	maxV2 = 4096
	fixed = 16 // of version 2, before the addresses
)

var (
	signature1 = []byte("PROXY")
	signature2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

var (
	// errShort: the bytes so far may become a header.
	errShort = errors.New("the header is not whole")
	// errNone: the bytes are no header, whatever follows.
	errNone = errors.New("there is no header")
)

// parse reads the header at the beginning of b. It returns its length and whom
// it names; an invalid address means that the header speaks for the peer itself
// (LOCAL, UNKNOWN) or for nobody on an IP network.
func parse(b []byte) (n int, client netip.AddrPort, err error) {
	switch {
	case begins(b, signature1):
		return parse1(b)
	case begins(b, signature2):
		return parse2(b)
	case begins(signature1, b), begins(signature2, b):
		return 0, netip.AddrPort{}, errShort
	}
	return 0, netip.AddrPort{}, errNone
}

func begins(b, with []byte) bool { return bytes.HasPrefix(b, with) }

// parse1 reads "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".
func parse1(b []byte) (n int, client netip.AddrPort, err error) {
	fail := func(format string, args ...any) (int, netip.AddrPort, error) {
		return 0, netip.AddrPort{}, fmt.Errorf("version 1: "+format, args...)
	}
	end := bytes.IndexByte(b[:min(len(b), maxV1)], '\n')
	switch {
	case end < 0 && len(b) < maxV1:
		return 0, netip.AddrPort{}, errShort
	case end < 0:
		return fail("no end of line within %d bytes", maxV1)
	case b[end-1] != '\r':
		return fail("the line does not end with CRLF")
	}
	words := strings.Split(string(b[:end-1]), " ")
	switch {
	case words[0] != "PROXY" || len(words) < 2:
		return fail("the line does not begin with PROXY and a protocol")
	case words[1] == "UNKNOWN":
		return end + 1, netip.AddrPort{}, nil
	case words[1] != "TCP4" && words[1] != "TCP6":
		return fail("unknown protocol %q", words[1])
	case len(words) != 6:
		return fail("%d words instead of 6", len(words))
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		a, err := netip.ParseAddr(words[2+i])
		if err != nil || a.Zone() != "" || a.Is4() != (words[1] == "TCP4") {
			return fail("%q is no address of %s", words[2+i], words[1])
		}
		p, err := strconv.ParseUint(words[4+i], 10, 16)
		if err != nil || strconv.FormatUint(p, 10) != words[4+i] {
			return fail("%q is no port", words[4+i])
		}
		ends[i] = netip.AddrPortFrom(a.Unmap(), uint16(p))
	}
	return end + 1, ends[0], nil
}

// parse2 reads the binary form.
func parse2(b []byte) (n int, client netip.AddrPort, err error) {
	fail := func(format string, args ...any) (int, netip.AddrPort, error) {
		return 0, netip.AddrPort{}, fmt.Errorf("version 2: "+format, args...)
	}
	if len(b) < fixed {
		return 0, netip.AddrPort{}, errShort
	}
	version, command, family, transport := b[12]>>4, b[12]&0xf, b[13]>>4, b[13]&0xf
	length := int(binary.BigEndian.Uint16(b[14:]))
	need, known := map[byte]int{0: 0, 1: 12, 2: 36, 3: 216}[family]
	switch {
	case version != 2 || command > 1:
		return fail("unknown version and command %#02x", b[12])
	case !known || transport > 2 || (family == 0) != (transport == 0):
		return fail("unknown family and transport %#02x", b[13])
	case fixed+length > maxV2:
		return fail("%d bytes are more than %d", fixed+length, maxV2)
	case command == 1 && length < need:
		return fail("%d bytes are too short for the addresses", length)
	case len(b) < fixed+length:
		return 0, netip.AddrPort{}, errShort
	}
	n = fixed + length
	if command == 0 { // LOCAL: what it says of addresses is to be ignored
		return n, netip.AddrPort{}, nil
	}
	switch at := b[fixed:]; family {
	case 1:
		return n, netip.AddrPortFrom(netip.AddrFrom4([4]byte(at)), binary.BigEndian.Uint16(at[8:])), nil
	case 2:
		return n, netip.AddrPortFrom(netip.AddrFrom16([16]byte(at)).Unmap(), binary.BigEndian.Uint16(at[32:])), nil
	}
	return n, netip.AddrPort{}, nil
}
