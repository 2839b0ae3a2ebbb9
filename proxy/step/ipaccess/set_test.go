package ipaccess

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func rules(t testing.TB, allow, deny []string) []Rule {
	t.Helper()
	var out []Rule
	for i, list := range [][]string{allow, deny} {
		for _, s := range list {
			p, err := ParsePrefix(s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, Rule{p, i == 0})
		}
	}
	return out
}

// naive judges an address by looking at every rule.
func naive(rules []Rule, byDefault bool, a netip.Addr) bool {
	a, longest, may := a.Unmap().WithZone(""), -1, byDefault
	for _, r := range rules {
		if r.Prefix.Contains(a) && r.Prefix.Bits() > longest {
			longest, may = r.Prefix.Bits(), r.Allow
		}
	}
	return may
}

func TestAllows(t *testing.T) {
	for _, tt := range []struct {
		allow, deny []string
		yes, no     []string
	}{
		{deny: []string{"10.0.0.0/8"}, yes: []string{"9.255.255.255", "11.0.0.0", "2001:db8::1"}, no: []string{"10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"}},
		{allow: []string{"10.0.0.0/8"}, yes: []string{"10.1.2.3", "::ffff:10.1.2.3"}, no: []string{"11.0.0.0", "2001:db8::1", "::10.1.2.3"}},
		{allow: []string{"10.0.0.0/8", "10.1.1.1"}, deny: []string{"10.1.0.0/16"}, yes: []string{"10.0.0.1", "10.1.1.1", "10.2.0.0"}, no: []string{"10.1.0.0", "10.1.1.0", "10.1.1.2", "10.1.255.255"}},
		{allow: []string{"0.0.0.0/0"}, yes: []string{"0.0.0.0", "255.255.255.255"}, no: []string{"::", "2001:db8::1"}},
		{allow: []string{"::/0"}, deny: []string{"ffff::/16"}, yes: []string{"::", "fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::1%eth0"}, no: []string{"1.2.3.4", "ffff::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
		{allow: []string{"::ffff:10.0.0.0/104"}, yes: []string{"10.1.2.3"}, no: []string{"11.0.0.1", "::1"}},
		{deny: []string{"255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, yes: []string{"255.255.255.254", "::"}, no: []string{"255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
	} {
		s, err := NewSet(rules(t, tt.allow, tt.deny), len(tt.allow) == 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, list := range [][]string{tt.yes, tt.no} {
			for _, a := range list {
				if got := s.Allows(netip.MustParseAddr(a)); got != (i == 0) {
					t.Errorf("allow %v deny %v: %s is %v", tt.allow, tt.deny, a, got)
				}
			}
		}
		if s.Allows(netip.Addr{}) != (len(tt.allow) == 0) {
			t.Errorf("allow %v deny %v: who has no address is not judged by the default", tt.allow, tt.deny)
		}
	}
	if new(Set).Allows(netip.MustParseAddr("10.0.0.1")) || new(Set).Allows(netip.MustParseAddr("::1")) {
		t.Error("the zero value lets somebody pass")
	}
}

// TestAllowsAsNaive compares with looking at every rule, at the edges of all of
// them and in between.
func TestAllowsAsNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	address := func(v4 bool) netip.Addr {
		if v4 { // from few networks, so that they lie in one another
			return netip.AddrFrom4([4]byte{10, byte(random.Uint32N(3)), byte(random.Uint32N(4)), byte(random.Uint32())})
		}
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], random.Uint64N(8)<<61)
		binary.BigEndian.PutUint64(b[8:], random.Uint64N(4)<<62|random.Uint64N(3))
		return netip.AddrFrom16(b)
	}
	for range 300 {
		seen := map[netip.Prefix]bool{}
		var list []Rule
		for range random.IntN(40) {
			a := address(random.IntN(2) == 0)
			p := netip.PrefixFrom(a, random.IntN(a.BitLen()+1)).Masked()
			if !seen[p] {
				seen[p] = true
				list = append(list, Rule{p, random.IntN(2) == 0})
			}
		}
		byDefault := random.IntN(2) == 0
		s, err := NewSet(list, byDefault)
		if err != nil {
			t.Fatal(err)
		}
		check := func(a netip.Addr) {
			if a.IsValid() && s.Allows(a) != naive(list, byDefault, a) {
				t.Fatalf("%s: %v, by default %v, of %v", a, s.Allows(a), byDefault, list)
			}
		}
		for _, r := range list {
			check(r.Prefix.Addr())
			check(r.Prefix.Addr().Prev())
			last := r.Prefix.Addr().As16()
			for bit := 128 - r.Prefix.Addr().BitLen() + r.Prefix.Bits(); bit < 128; bit++ {
				last[bit/8] |= 1 << (7 - bit%8)
			}
			end := netip.AddrFrom16(last)
			if r.Prefix.Addr().Is4() {
				end = end.Unmap()
			}
			check(end)
			check(end.Next())
		}
		for range 50 {
			check(address(true))
			check(address(false))
		}
	}
}

func TestContradiction(t *testing.T) {
	if _, err := NewSet(rules(t, []string{"10.0.0.0/8"}, []string{"10.0.0.0/8"}), false); err == nil {
		t.Error("a network that is allowed and denied was taken")
	}
	if _, err := NewSet(rules(t, []string{"10.0.0.0/8", "10.0.0.0/8"}, []string{"10.0.0.0/9"}), false); err != nil {
		t.Errorf("a network named twice: %v", err)
	}
}

// many returns so many networks of each family.
func many(n int) []Rule {
	var out []Rule
	for i := range n {
		var b [16]byte
		binary.BigEndian.PutUint32(b[:], 0x20010000+uint32(i)*2)
		a4 := [4]byte{byte(i >> 13), byte(i >> 5), byte(i << 3), 0}
		out = append(out, Rule{netip.PrefixFrom(netip.AddrFrom16(b), 32), true}, Rule{netip.PrefixFrom(netip.AddrFrom4(a4), 22), true})
	}
	return out
}

func TestAllowsWithoutAllocations(t *testing.T) {
	s, err := NewSet(many(1000), false)
	if err != nil {
		t.Fatal(err)
	}
	a, b := netip.MustParseAddr("0.1.2.3"), netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(100, func() { s.Allows(a); s.Allows(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAllows(b *testing.B) {
	for _, n := range []int{1, 10, 1000, 10_000, 100_000} {
		s, err := NewSet(many(n), false)
		if err != nil {
			b.Fatal(err)
		}
		var at [1024]netip.Addr
		random := rand.New(rand.NewPCG(1, 2))
		for _, family := range []string{"IPv4", "IPv6"} {
			for i := range at {
				var raw [16]byte
				binary.BigEndian.PutUint32(raw[:], 0x20010000+random.Uint32N(uint32(2*n)))
				if at[i] = netip.AddrFrom16(raw); family == "IPv4" {
					at[i] = netip.AddrFrom4([4]byte{byte(random.IntN(n>>13 + 1)), byte(random.Uint32()), byte(random.Uint32()), 1})
				}
			}
			b.Run(fmt.Sprintf("%s/%d", family, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					s.Allows(at[i%len(at)])
				}
			})
		}
	}
}
