package ipaccess

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
)

// Rule is a network that may come, or may not.
type Rule struct {
	Prefix netip.Prefix // masked; IPv4 is never mapped into IPv6
	Allow  bool
}

// Set answers whether an address may come. It holds the edges between ranges of
// addresses that are judged alike, sorted: 5 bytes an edge of IPv4, 17 of IPv6, and
// at most two edges a network. Its zero value denies everybody. It is immutable.
type Set struct {
	v4    []uint32
	may4  []bool
	v6    []uint128
	may6  []bool
	other bool // whoever has no address
}

type uint128 struct{ hi, lo uint64 }

func (a uint128) compare(b uint128) int {
	if a.hi != b.hi {
		return cmp.Compare(a.hi, b.hi)
	}
	return cmp.Compare(a.lo, b.lo)
}

func (a uint128) above(b uint128) bool { return a.hi > b.hi || a.hi == b.hi && a.lo > b.lo }

// plus returns a + 2^shift, and whether that is beyond all addresses.
func (a uint128) plus(shift int) (sum uint128, over bool) {
	var add uint128
	switch {
	case shift >= 128:
		return uint128{}, true
	case shift >= 64:
		add.hi = 1 << (shift - 64)
	default:
		add.lo = 1 << shift
	}
	var carry uint64
	sum.lo, carry = bits.Add64(a.lo, add.lo, 0)
	sum.hi, carry = bits.Add64(a.hi, add.hi, carry)
	return sum, carry != 0
}

// NewSet compiles rules; byDefault is what holds for addresses in none of their
// networks. The longest prefix wins. A network that is both allowed and denied is
// an error.
func NewSet(rules []Rule, byDefault bool) (*Set, error) {
	rules = slices.Clone(rules)
	slices.SortFunc(rules, func(a, b Rule) int { // the outer before the inner
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	for i := 1; i < len(rules); i++ {
		if rules[i].Prefix == rules[i-1].Prefix && rules[i].Allow != rules[i-1].Allow {
			return nil, fmt.Errorf("%s is both allowed and denied", rules[i].Prefix)
		}
	}
	s := &Set{other: byDefault}
	for _, e := range sweep(rules, true, byDefault) {
		s.v4, s.may4 = append(s.v4, uint32(e.from.lo)), append(s.may4, e.allow) //nolint:gosec // an address of IPv4
	}
	for _, e := range sweep(rules, false, byDefault) {
		s.v6, s.may6 = append(s.v6, e.from), append(s.may6, e.allow)
	}
	return s, nil
}

// edge is where a range of addresses begins.
type edge struct {
	from  uint128
	allow bool
}

// open is a network that the sweep is in.
type open struct {
	end   uint128 // the first address behind it
	over  bool    // it reaches to the last address
	allow bool
}

// sweep walks over the sorted networks of one family and returns the edges, from
// the first address on.
func sweep(rules []Rule, v4, byDefault bool) []edge {
	width := 128
	if v4 {
		width = 32
	}
	edges := []edge{{allow: byDefault}}
	put := func(from uint128, allow bool) {
		if last := &edges[len(edges)-1]; last.from == from {
			last.allow = allow
		} else if last.allow != allow {
			edges = append(edges, edge{from, allow})
		}
	}
	var inside []open
	leave := func(until *uint128) { // networks that end before or at an address
		for len(inside) > 0 {
			top := inside[len(inside)-1]
			if top.over || until != nil && top.end.compare(*until) > 0 {
				return
			}
			inside = inside[:len(inside)-1]
			outer := byDefault
			if len(inside) > 0 {
				outer = inside[len(inside)-1].allow
			}
			put(top.end, outer)
		}
	}
	for _, r := range rules {
		if r.Prefix.Addr().Is4() != v4 {
			continue
		}
		from := number(r.Prefix.Addr())
		leave(&from)
		put(from, r.Allow)
		end, over := from.plus(width - r.Prefix.Bits())
		over = over || v4 && end.lo > 1<<32-1
		inside = append(inside, open{end, over, r.Allow})
	}
	leave(nil)
	return slices.CompactFunc(edges, func(a, b edge) bool { return a.allow == b.allow })
}

func number(a netip.Addr) uint128 {
	if a.Is4() {
		b := a.As4()
		return uint128{lo: uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])}
	}
	b := a.As16()
	var n uint128
	for i := range 8 {
		n.hi, n.lo = n.hi<<8|uint64(b[i]), n.lo<<8|uint64(b[8+i])
	}
	return n
}

// Allows reports whether an address may come. IPv4 mapped into IPv6 is IPv4, and
// no zone matters.
func (s *Set) Allows(a netip.Addr) bool {
	switch a = a.Unmap(); {
	case !a.IsValid():
		return s.other
	case a.Is4():
		if len(s.v4) == 0 {
			return false
		}
		n := uint32(number(a).lo) //nolint:gosec // an address of IPv4
		at, behind := 0, len(s.v4)
		for behind-at > 1 {
			if mid := int(uint(at+behind) >> 1); s.v4[mid] <= n {
				at = mid
			} else {
				behind = mid
			}
		}
		return s.may4[at]
	}
	if len(s.v6) == 0 {
		return false
	}
	n := number(a)
	at, behind := 0, len(s.v6)
	for behind-at > 1 {
		if mid := int(uint(at+behind) >> 1); !s.v6[mid].above(n) {
			at = mid
		} else {
			behind = mid
		}
	}
	return s.may6[at]
}
