package proxyprotocol

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
)

// v2 builds a header of version 2 with that command, family and content.
func v2(command, family byte, content string) string {
	return string(signature2) + string([]byte{0x20 | command, family, byte(len(content) >> 8), byte(len(content))}) + content
}

const (
	ends4 = "\xc0\x00\x02\x01\xc0\x00\x02\x02\x04\xd2\x01\xbb" // 192.0.2.1:1234 to 192.0.2.2:443
	ends6 = " \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07 \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x04\xd2\x01\xbb"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text   string
		client string // "" for the peer itself
		want   string // of the error, "" for none
	}{
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n", "192.0.2.1:1234", ""},
		{"PROXY TCP6 2001:db8::7 2001:db8::8 1234 443\r\n", "[2001:db8::7]:1234", ""},
		{"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 0 65535\r\n", "192.0.2.1:0", ""},
		{"PROXY UNKNOWN\r\n", "", ""},
		{"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n", "", ""},
		{"PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", "", ""},

		{"PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "", "no end of line"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\n", "", "CRLF"},
		{"PROXY\r\n", "", "does not begin"},
		{"PROXYTCP4 192.0.2.1 192.0.2.2 1234 443\r\n", "", "does not begin"},
		{"PROXY  TCP4 192.0.2.1 192.0.2.2 1234 443\r\n", "", "unknown protocol"},
		{"PROXY tcp4 192.0.2.1 192.0.2.2 1234 443\r\n", "", "unknown protocol"},
		{"PROXY UDP4 192.0.2.1 192.0.2.2 1234 443\r\n", "", "unknown protocol"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1234\r\n", "", "words"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443 \r\n", "", "words"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2  1234 443\r\n", "", "words"},
		{"PROXY TCP4 192.0.2.256 192.0.2.2 1234 443\r\n", "", "no address"},
		{"PROXY TCP4 192.0.2.01 192.0.2.2 1234 443\r\n", "", "no address"},
		{"PROXY TCP4 2001:db8::7 2001:db8::8 1234 443\r\n", "", "no address"},
		{"PROXY TCP6 192.0.2.1 192.0.2.2 1234 443\r\n", "", "no address"},
		{"PROXY TCP6 fe80::1%eth0 fe80::2 1234 443\r\n", "", "no address"},
		{"PROXY TCP4 192.0.2.1 nobody 1234 443\r\n", "", "no address"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n", "", "no port"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 01234 443\r\n", "", "no port"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 +1 443\r\n", "", "no port"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 -1 443\r\n", "", "no port"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1234 x\r\n", "", "no port"},

		{v2(1, 0x11, ends4), "192.0.2.1:1234", ""},
		{v2(1, 0x12, ends4), "192.0.2.1:1234", ""},
		{v2(1, 0x21, ends6), "[2001:db8::7]:1234", ""},
		{v2(1, 0x11, ends4+"\x04\x00\x01x"), "192.0.2.1:1234", ""}, // an extension
		{v2(1, 0x21, strings.Repeat("\x00", 10)+"\xff\xff\xc0\x00\x02\x01"+strings.Repeat("\x00", 20)), "192.0.2.1:0", ""},
		{v2(1, 0x31, strings.Repeat("\x00", 216)), "", ""}, // Unix sockets
		{v2(1, 0x00, ""), "", ""},
		{v2(1, 0x00, "anything"), "", ""},
		{v2(0, 0x00, ""), "", ""},
		{v2(0, 0x11, ends4), "", ""}, // LOCAL: its addresses are ignored
		{v2(0, 0x11, ""), "", ""},
		{v2(1, 0x11, ends4+strings.Repeat("x", maxV2-fixed-12)), "192.0.2.1:1234", ""},

		{v2(1, 0x11, ends4+strings.Repeat("x", maxV2-fixed-11)), "", "more than 4096"},
		{v2(2, 0x11, ends4), "", "unknown version and command"},
		{strings.Replace(v2(1, 0x11, ends4), "\x21\x11", "\x31\x11", 1), "", "unknown version and command"},
		{v2(1, 0x41, ends4), "", "unknown family"},
		{v2(1, 0x13, ends4), "", "unknown family"},
		{v2(1, 0x10, ends4), "", "unknown family"},
		{v2(1, 0x01, ends4), "", "unknown family"},
		{v2(0, 0xff, ends4), "", "unknown family"},
		{v2(1, 0x11, ends4[:11]), "", "too short"},
		{v2(1, 0x21, ends4), "", "too short"},
		{v2(1, 0x31, ends6), "", "too short"},

		{"GET / HTTP/1.1\r\n", "", "no header"},
		{"POST / HTTP/1.1\r\n", "", "no header"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", "no header"},
		{"\r\nGET / HTTP/1.1\r\n", "", "no header"},
		{"\x16\x03\x01\x02\x00", "", "no header"},
		{"proxy TCP4 192.0.2.1 192.0.2.2 1234 443\r\n", "", "no header"},
	} {
		n, client, err := parse([]byte(c.text + "rest"))
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.60q: got %v and %v, want an error with %q", c.text, client, err, c.want)
			}
			continue
		}
		got := ""
		if client.IsValid() {
			got = client.String()
		}
		if err != nil || n != len(c.text) || got != c.client {
			t.Errorf("%.60q: got %d, %q and %v, want %d and %q", c.text, n, got, err, len(c.text), c.client)
		}
		for i := range len(c.text) { // in two pieces, at any place
			if _, _, err := parse([]byte(c.text[:i])); !errors.Is(err, errShort) {
				t.Fatalf("%.60q, %d bytes of it: got %v", c.text, i, err)
			}
		}
	}
}

// TestParseLikeOthers compares with another implementation.
func TestParseLikeOthers(t *testing.T) {
	for _, version := range []byte{1, 2} {
		for _, ends := range [][2]string{
			{"192.0.2.1:1", "192.0.2.2:65535"}, {"[2001:db8::1]:1234", "[2001:db8::2]:443"}, {"255.255.255.255:0", "0.0.0.0:0"},
		} {
			from, to := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(ends[0])), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(ends[1]))
			text, err := proxyproto.HeaderProxyFromAddrs(version, from, to).Format()
			if err != nil {
				t.Fatal(err)
			}
			n, client, err := parse(text)
			if err != nil || n != len(text) || client.String() != ends[0] {
				t.Errorf("what the other writes, %q: got %d, %v and %v", text, n, client, err)
			}
		}
	}
}

// FuzzParse wants the other implementation to agree on whom a header names. It
// may refuse more: it wants version 1 in one piece, and no UNSPEC.
func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\nrest"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(1, 0x11, ends4)))
	f.Add([]byte(v2(1, 0x21, ends6+"\x04\x00\x01x")))
	f.Add([]byte(v2(0, 0, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, client, err := parse(b)
		if n < 0 || n > len(b) || err != nil && (n != 0 || client.IsValid()) {
			t.Fatalf("got %d, %v and %v", n, client, err)
		}
		r := bufio.NewReader(bytes.NewReader(b))
		theirs, failed := proxyproto.Read(r)
		if failed != nil {
			return
		}
		if err != nil {
			t.Fatalf("%q: the other one reads %+v, we say %v", b, theirs, err)
		}
		want := netip.AddrPort{}
		if a, ok := theirs.SourceAddr.(*net.TCPAddr); ok && theirs.Command == proxyproto.PROXY {
			want = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
		}
		if a, ok := theirs.SourceAddr.(*net.UDPAddr); ok && theirs.Command == proxyproto.PROXY {
			want = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
		}
		if client != want {
			t.Fatalf("%q: got %v, the other one %v", b, client, want)
		}
	})
}
