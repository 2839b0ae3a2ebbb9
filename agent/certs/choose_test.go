package certs

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// localConn is a connection that came in by an address.
type localConn struct {
	net.Conn
	local net.Addr
}

func (c localConn) LocalAddr() net.Addr { return c.local }

func TestChoose(t *testing.T) {
	a := newAuthority(t, "a")
	var all []*tls.Certificate
	for _, names := range [][]string{
		{"first.example.com"},
		{"*.example.com", "example.com"},
		{"deep.example.com", "192.0.2.7"},
		{"*.deep.example.com"},
		{"2001:db8::7"},
		{"FIRST.example.com"}, // a name that is there already
		{},
	} {
		f := newFiles(t)
		cert, key := a.issue(ecKey(t), time.Hour, names...)
		c, err := LoadPair(f.pair("c", cert, key))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	choice := newChoice(all)
	for _, c := range []struct {
		name, local string
		want        int
	}{
		{"first.example.com", "", 0},
		{"FIRST.Example.COM", "", 0},
		{"first.example.com.", "", 0},
		{"example.com", "", 1},
		{"other.example.com", "", 1},
		{"deep.example.com", "", 2}, // exact before wildcard
		{"a.deep.example.com", "", 3},
		{"a.b.example.com", "", 0}, // a wildcard is one label
		{"*.example.com", "", 1},   // as it is written, which no client asks for
		{"unknown.org", "", 0},
		{"", "", 0},
		{"", "192.0.2.7:443", 2},
		{"", "192.0.2.8:443", 0},
		{"", "[2001:db8::7]:443", 4},
		{"", "[::ffff:192.0.2.7]:443", 2},
		{"192.0.2.7", "", 2}, // against RFC 6066, but some do
		{"2001:db8::7", "", 4},
		{".", "", 0},
		{"..", "", 0},
		{".example.com", "", 1},
		{"com", "", 0},
	} {
		hello := &tls.ClientHelloInfo{ServerName: c.name, SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}}
		if c.local != "" {
			local, err := net.ResolveTCPAddr("tcp", c.local)
			if err != nil {
				t.Fatal(err)
			}
			hello.Conn = localConn{local: local}
		}
		if got := choice.choose(hello); got != all[c.want] {
			t.Errorf("%q at %q: got the certificate of %v, want that of %v", c.name, c.local, namesOf(got.Leaf), namesOf(all[c.want].Leaf))
		}
	}
}

// TestChooseByAlgorithm shows each client the certificate that it can verify.
func TestChooseByAlgorithm(t *testing.T) {
	a, f := newAuthority(t, "a"), newFiles(t)
	cert, key := a.issue(ecKey(t), time.Hour, "example.com")
	curve, err := LoadPair(f.pair("ec", cert, key))
	if err != nil {
		t.Fatal(err)
	}
	cert, key = a.issue(rsaKey(t), time.Hour, "example.com")
	rsa, err := LoadPair(f.pair("rsa", cert, key))
	if err != nil {
		t.Fatal(err)
	}
	choice := newChoice([]*tls.Certificate{curve, rsa})
	for _, c := range []struct {
		scheme tls.SignatureScheme
		want   *tls.Certificate
	}{
		{tls.ECDSAWithP256AndSHA256, curve},
		{tls.PSSWithSHA256, rsa},
		{tls.Ed25519, curve}, // neither: the first
	} {
		hello := &tls.ClientHelloInfo{ServerName: "example.com", SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{c.scheme}}
		if got := choice.choose(hello); got != c.want {
			t.Errorf("%v: got the other one", c.scheme)
		}
	}
}
