package cors

import (
	"bytes"
	"strings"
)

// origin checks one that is allowed, in the form in which browsers send it (RFC 6454
// section 6.2).
func origin(s string) (checked, wrong string) {
	if s == "null" {
		return s, ""
	}
	s = strings.ToLower(s)
	scheme, host, ok := strings.Cut(s, "://")
	if !ok || host == "" || !isScheme(scheme) {
		return "", `an origin is a scheme, a host and perhaps a port, such as "https://app.example.com"`
	}
	name, port, ported := strings.Cut(host, ":")
	if strings.HasPrefix(host, "[") {
		i := strings.IndexByte(host, ']')
		if i < 0 {
			return "", "an address in brackets does not end"
		}
		name = host[:i+1]
		port, ported = strings.CutPrefix(host[i+1:], ":")
		if port != "" && !ported {
			return "", "only a port may follow an address"
		}
	}
	switch {
	case strings.ContainsAny(name, "/?#@"):
		return "", "an origin ends behind its host and port, without a slash"
	case ported && (port == "" || strings.Trim(port, "0123456789") != ""):
		return "", "that is no port"
	case scheme == "https" && port == "443", scheme == "http" && port == "80":
		return "", "browsers leave out the port that the scheme implies"
	}
	labels := strings.TrimPrefix(name, "*.")
	for i := range len(labels) {
		if c := labels[i]; !hostByte(c) && c != '.' && !(name[0] == '[' && strings.IndexByte("[]:", c) >= 0) {
			if c == '*' {
				return "", `"*" stands for one whole label at the beginning, as in "https://*.example.com", or alone for any origin`
			}
			if c >= 0x80 {
				return "", "a host that is not ASCII is written in its punycode form (xn--...)"
			}
			return "", "that is no host"
		}
	}
	if labels == "" || strings.HasPrefix(labels, ".") || name != labels && !strings.Contains(labels, ".") {
		return "", "a wildcard needs a domain of two labels at least behind it"
	}
	return s, ""
}

func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || i > 0 && ('0' <= c && c <= '9' || strings.IndexByte("+-.", c) >= 0)) {
			return false
		}
	}
	return s != ""
}

// hostByte reports whether a byte may stand in a label of a host that a browser sends.
func hostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// origins are those that are allowed.
type origins struct {
	any   bool
	exact map[string]struct{} // "null" among them
	wild  []wildcard
}

// wildcard is "https://*.example.com:8443", cut where the label is.
type wildcard struct{ scheme, suffix string }

func newOrigins(list []string) origins {
	o := origins{exact: map[string]struct{}{}}
	for _, s := range list {
		scheme, suffix, wild := strings.Cut(s, "*.")
		switch {
		case s == "*":
			o.any = true
		case wild:
			o.wild = append(o.wild, wildcard{scheme, "." + suffix})
		default:
			o.exact[s] = struct{}{}
		}
	}
	return o
}

// allow reports whether pages of an origin may use the route. Nil is no origin.
func (o *origins) allow(origin []byte) bool {
	if len(origin) == 0 {
		return false
	}
	if _, ok := o.exact[string(origin)]; ok || o.any {
		return true
	}
	for i := range o.wild {
		if o.wild[i].covers(origin) {
			return true
		}
	}
	return false
}

func (w *wildcard) covers(origin []byte) bool {
	label, ok := bytes.CutPrefix(origin, []byte(w.scheme))
	if !ok || len(label) <= len(w.suffix) || string(label[len(label)-len(w.suffix):]) != w.suffix {
		return false
	}
	for _, c := range label[:len(label)-len(w.suffix)] {
		if !hostByte(c) {
			return false
		}
	}
	return true
}
