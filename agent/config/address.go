package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"
)

// address reads a host:port; an empty one is allowed where the default is
// empty.
func (r *reader) address(a *hcl.Attribute, def string) string {
	if a == nil {
		return def
	}
	s, ok := r.String(a.Expr)
	if !ok || s == "" && def == "" {
		return def
	}
	if err := checkAddress(s); err != nil {
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "%s", attr.Sentence(err))
		return def
	}
	return s
}

// checkAddress wants a host, which may be empty, and a decimal port.
func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if ip, perr := netip.ParseAddr(s); perr == nil && ip.Is6() {
			return fmt.Errorf(`%q is not host:port; an IPv6 address needs brackets, such as "[%s]:8080"`, s, s)
		}
		return fmt.Errorf(`%q is not host:port, such as "127.0.0.1:8080" or "[::1]:8080"`, s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("the port %q of %q is not a number from 0 to 65535", port, s)
	} else if strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("the port %q of %q is not written plainly", port, s)
	}
	if strings.ContainsAny(host, " \t\r\n/\x00") {
		return fmt.Errorf("the host %q is not a name or an address", host)
	}
	return nil
}

// loopback reports whether only this machine can reach the address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// prefixes reads networks and single addresses.
func (r *reader) prefixes(a *hcl.Attribute) []netip.Prefix {
	var out []netip.Prefix
	for _, it := range r.Unique(a) {
		p, err := parsePrefix(it.Value)
		if err != nil {
			r.Errorf(it.At, "Invalid network", "%s", attr.Sentence(err))
			continue
		}
		out = append(out, p)
	}
	return out
}

func parsePrefix(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return p, fmt.Errorf(`%q is not a network, such as "10.0.0.0/8" or "fd00::/8", nor an address`, s)
	}
	if m := p.Masked(); m != p {
		return p, fmt.Errorf("the network %q has bits beyond its prefix. Did you mean %q?", s, m)
	}
	return p, nil
}

// consulAddress reads the address of a Consul agent: host:port, or a URL.
func (r *reader) consulAddress(a *hcl.Attribute) string {
	s := r.Text(a, "")
	if s == "" {
		return ""
	}
	scheme, rest, isURL := strings.Cut(s, "://")
	var err error
	switch {
	case !isURL:
		err = checkAddress(s)
	case !slices.Contains([]string{"http", "https", "unix"}, scheme):
		err = fmt.Errorf("the scheme %q is not one of http, https and unix", scheme)
	case rest == "" || strings.ContainsAny(rest, " \t\r\n\x00"):
		err = errors.New("the URL has no host")
	}
	if err != nil {
		r.Errorf(a.Expr.Range(), "Invalid address", "%s", attr.Sentence(err))
		return ""
	}
	return s
}
