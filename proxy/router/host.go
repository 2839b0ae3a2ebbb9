package router

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// maxHost bounds a host name (RFC 1035, 2.3.4, without the last dot).
const maxHost = 253

// compileHost turns a host of a rule into its key: "" for any host, a name in
// lower case, or ".example.com" for "*.example.com".
func compileHost(s string) (string, error) {
	switch {
	case s == "*":
		return "", nil
	case s == "":
		return "", fmt.Errorf("a host is empty: leave hosts out, or write %q, for any host", "*")
	case len(s) > maxHost:
		return "", fmt.Errorf("host %q is longer than %d octets", s, maxHost)
	}
	if literal := strings.Trim(s, "[]"); strings.Contains(literal, ":") {
		if ip, err := netip.ParseAddr(literal); err == nil && ip.Is6() && ip.Zone() == "" {
			return "[" + ip.String() + "]", nil
		}
		return "", fmt.Errorf("host %q carries a port or is no address: ports are not matched", s)
	}
	name, wildcard := strings.CutPrefix(s, "*.")
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return "", fmt.Errorf("host %q has an empty label", s)
		}
		for i := range len(label) {
			switch c := label[i]; {
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			case c == '*':
				return "", fmt.Errorf("host %q: %q stands only for whole labels at the start, as in %q", s, "*", "*.example.com")
			case c >= 0x80:
				return "", fmt.Errorf("host %q is not ASCII: write its punycode form (xn--...)", s)
			default:
				return "", fmt.Errorf("host %q holds %q", s, c)
			}
		}
	}
	if wildcard {
		return "." + name, nil
	}
	return name, nil
}

// AppendHost appends the form in which hosts are compared to dst: lower case,
// without the port and without one trailing dot. The brackets of an IPv6
// literal stay, and its text is compared as it is written (RFC 5952 has one
// way). A host that is malformed comes out as something no rule can name.
func AppendHost(dst, host []byte) []byte {
	name := bareHost(host)
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// bareHost cuts the port and one trailing dot off a Host field.
func bareHost(host []byte) []byte {
	from := 0
	if len(host) > 0 && host[0] == '[' {
		from = bytes.IndexByte(host, ']') + 1
	}
	if i := bytes.IndexByte(host[from:], ':'); i >= 0 && digits(host[from+i+1:]) {
		host = host[:from+i]
	}
	if n := len(host); n > 1 && host[n-1] == '.' {
		host = host[:n-1]
	}
	return host
}

// digits reports whether p is a port: digits, or nothing (RFC 3986, 3.2.3).
func digits(p []byte) bool {
	for _, c := range p {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
