package redirect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var errForm = errors.New(`a redirect leads to an address such as "https://www.example.com{path}{query}", or to a path such as "/new{rest}"`)

// checkTarget reports what is wrong with where a redirect leads, as it is written:
// nothing that a request chooses may come to stand in its authority.
func checkTarget(to string, hosts []string) error {
	for i := range len(to) {
		if to[i] <= ' ' || to[i] >= 0x7f {
			return fmt.Errorf("%q holds %q, which must be escaped in an address", to, to[i])
		}
		if to[i] == '\\' {
			return fmt.Errorf(`%q holds a backslash, which browsers read as "/"`, to)
		}
	}
	scheme, after, absolute := strings.Cut(to, "://")
	if !absolute || scheme != "https" && scheme != "http" && scheme != "{scheme}" {
		if strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") || strings.HasPrefix(to, "{path}") {
			return nil
		}
		return errForm
	}
	end := endOfAuthority(after)
	return checkAuthority(to, after[:end], hosts)
}

// endOfAuthority returns where the path, the query or nothing follows.
func endOfAuthority(s string) int {
	end := len(s)
	for _, next := range []string{"/", "?", "#", "{path}", "{rest}", "{query}"} {
		if i := strings.Index(s, next); i >= 0 {
			end = min(end, i)
		}
	}
	return end
}

func checkAuthority(to, authority string, hosts []string) error {
	name, port, ported := cutPort(authority)
	if ported && strings.Trim(port, "0123456789") != "" {
		return fmt.Errorf("%q: %q is no port", to, port)
	}
	before, asked := strings.CutSuffix(name, "{host}")
	if strings.ContainsAny(before, "{}") {
		return fmt.Errorf(`%q: of variables only {host} may be the host, at its end, so that no request chooses where the redirect leads; "/", {path}, {rest} or {query} comes before others`, to)
	}
	if strings.Contains(authority, "@") {
		return fmt.Errorf("%q holds a user's name, which nobody may be sent", to)
	}
	switch {
	case !asked && name == "":
		return errForm
	case asked && (len(hosts) == 0 || slices.Contains(hosts, "*")):
		return fmt.Errorf("%q: on a route for any host {host} would be whatever a request says: name the route's hosts, or write the host down", to)
	}
	return nil
}

// cutPort splits a port off, which no colon of an IPv6 address begins.
func cutPort(s string) (name, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
