package catalog_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lictor/lictor/catalog"
)

func TestReachRefuse(t *testing.T) {
	own := netip.MustParseAddrPort("10.0.0.9:8080")
	rule := catalog.Reach{Own: func(ap netip.AddrPort) bool { return ap == own }}
	for _, c := range []struct {
		addr   string
		local  bool
		refuse string // part of the reason, empty when allowed
	}{
		{"10.0.0.1:80", false, ""},
		{"[2001:db8::1]:80", false, ""},
		{"[fd00::1]:80", false, ""},
		{"100.64.0.1:80", false, ""},
		{"10.0.0.9:8081", false, ""},
		{"10.0.0.9:8080", false, "own"},
		{"[::ffff:10.0.0.9]:8080", false, "own"},
		{"127.0.0.1:80", false, "loopback"},
		{"127.0.0.1:80", true, ""},
		{"127.255.0.3:80", false, "loopback"},
		{"[::1]:80", false, "loopback"},
		{"[::1]:80", true, ""},
		{"[::1%lo]:80", false, "loopback"},
		{"[::ffff:127.0.0.1]:80", false, "loopback"},
		{"0.0.0.0:80", true, "unspecified"},
		{"[::]:80", true, "unspecified"},
		{"[::ffff:0.0.0.0]:80", true, "unspecified"},
		{"0.1.2.3:80", true, "host"},
		{"255.255.255.255:80", true, "host"},
		{"169.254.169.254:80", true, "link-local"},
		{"[fe80::1%eth0]:80", true, "link-local"},
		{"[::ffff:169.254.1.1]:80", true, "link-local"},
		{"224.0.0.1:80", true, "multicast"},
		{"[ff02::1]:80", true, "multicast"},
		{"10.0.0.1:0", false, "port"},
	} {
		rule.Local = c.local
		got := rule.Refuse(netip.MustParseAddrPort(c.addr))
		if (got == "") != (c.refuse == "") || !strings.Contains(got, c.refuse) {
			t.Errorf("Refuse(%s) with Local %v = %q, want %q", c.addr, c.local, got, c.refuse)
		}
	}
	if rule.Refuse(netip.AddrPort{}) == "" {
		t.Error("the zero address was allowed")
	}
}

func TestReachRefuseHost(t *testing.T) {
	for _, c := range []struct {
		host   string
		port   int
		local  bool
		refuse string
	}{
		{"10.0.0.1", 80, false, ""},
		{"2001:db8::1", 80, false, ""},
		{"web.example.com", 80, false, ""},
		{"web.example.com.", 80, false, ""},
		{"Web_1.example.com", 80, false, ""},
		{"web-1", 80, false, ""},
		{"3com.example", 80, false, ""},
		{"", 80, true, "no address"},
		{".", 80, true, "no address"},
		{"a..b", 80, true, "neither"},
		{"-a.b", 80, true, "neither"},
		{"a b", 80, true, "neither"},
		{"a/b", 80, true, "neither"},
		{"a@b", 80, true, "neither"},
		{"[::1]", 80, true, "neither"},
		{"web:80", 80, true, "neither"},
		{"127.1", 80, true, "neither"},
		{"0x7f.1", 80, true, "neither"},
		{"2130706433", 80, true, "neither"},
		{"0177.0.0.1", 80, true, "neither"},
		{strings.Repeat("a", 64) + ".com", 80, true, "neither"},
		{strings.Repeat("a.", 127) + "com", 80, true, "neither"},
		{"localhost", 80, false, "loopback"},
		{"LOCALHOST.", 80, false, "loopback"},
		{"x.localhost", 80, false, "loopback"},
		{"localhost", 80, true, ""},
		{"169.254.169.254", 80, true, "link-local"},
		{"10.0.0.1", 0, true, "no port"},
		{"10.0.0.1", -1, true, "no port"},
		{"10.0.0.1", 65536, true, "no valid port"},
	} {
		got := catalog.Reach{Local: c.local}.RefuseHost(c.host, c.port)
		if (got == "") != (c.refuse == "") || !strings.Contains(got, c.refuse) {
			t.Errorf("RefuseHost(%q, %d) with Local %v = %q, want %q", c.host, c.port, c.local, got, c.refuse)
		}
	}
}
