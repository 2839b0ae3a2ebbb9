package http1

import (
	"bytes"

	"github.com/lictor/lictor/proxy"
)

// parseRequest reads the head that b begins with and returns its length. b must
// hold all of it (see headScan) and may hold more. The request points into b.
// Its Body is nil; framing says whether there is one to read. An error is of
// type *Error.
func parseRequest(b []byte, q *proxy.Request, fr *framing) (n int, err error) {
	at, err := parseRequestLine(b, q)
	if err != nil {
		return 0, err
	}
	f := &q.Fields
	f.Reset(b)
	n, m, err := parseFields(b, at, f)
	if err != nil {
		return 0, err
	}
	if err := resolveTarget(q, m); err != nil {
		return 0, err
	}
	if q.Length, err = fr.delimit(f, m, q.Protocol); err != nil {
		return 0, err
	}
	if fr.end == noBody {
		q.Length = 0 // a request's body is never delimited by the connection
	}
	if err := fr.persist(f, m, q.Protocol); err != nil {
		return 0, err
	}
	fr.expect = fr.end != noBody && q.Protocol == proxy.HTTP11 && m.has(proxy.Expect) && f.HasToken(proxy.Expect, "100-continue")
	fr.upgrade = m.has(proxy.UpgradeField) && q.Verb == proxy.MethodGet && q.Protocol == proxy.HTTP11 && fr.end == noBody && switches(f, m)
	if q.Verb == proxy.MethodConnect {
		fr.close = true // what follows may be meant for the tunnel
	}
	q.WebSocket, q.Body = fr.upgrade, nil
	return n, nil
}

// parseRequestLine reads method, target and version (RFC 9112 section 3) and
// returns where the field lines begin.
func parseRequestLine(b []byte, q *proxy.Request) (int, error) {
	m := 0
	for m < len(b) && octets[b[m]]&tchar != 0 {
		m++
	}
	if m == 0 || m == len(b) || b[m] != ' ' {
		return 0, errMethod
	}
	q.Method = b[:m:m]
	q.Verb = proxy.MethodOf(q.Method)

	t := m + 1
	e := visibleEnd(b, t)
	q.Target = b[t:e:e]
	if len(b)-e < len(" HTTP/1.1\r\n") {
		return 0, errVersion
	}
	switch string(b[e : e+len(" HTTP/1.1\r\n")]) {
	case " HTTP/1.1\r\n":
		q.Protocol = proxy.HTTP11
	case " HTTP/1.0\r\n":
		q.Protocol = proxy.HTTP10
	default:
		return 0, versionFault(b[e:])
	}
	if e == t {
		return 0, errTarget
	}
	if bytes.IndexByte(q.Target, '#') >= 0 {
		return 0, errFragment
	}
	return e + len(" HTTP/1.1\r\n"), nil
}

// versionFault says what is wrong with what follows the target's visible octets.
func versionFault(s []byte) error {
	switch c := s[0]; {
	case c == '\r' && s[1] == '\n':
		return errVersion // HTTP/0.9
	case c == '\r' || c == '\n':
		return octetFault(c)
	case c != ' ':
		return errTargetOctet
	}
	version := s[1:]
	if version[8] == '\n' || (version[8] == '\r' && version[9] != '\n') {
		return octetFault(version[8])
	}
	if string(version[:5]) == "HTTP/" && '2' <= version[5] && version[5] <= '9' && version[6] == '.' &&
		octets[version[7]]&digit != 0 && string(version[8:10]) == "\r\n" {
		return errVersionMajor
	}
	return errVersion
}

// resolveTarget finds path, query and host (RFC 9112 sections 3.2 and 3.3). The
// Host field must be right even where the target overrules it.
func resolveTarget(q *proxy.Request, m marks) error {
	f := &q.Fields
	switch {
	case m.repeated(proxy.Host):
		return errHostRepeated
	case m.has(proxy.Host):
		if q.Host = f.Get(proxy.Host); !validHost(q.Host) {
			return errHost
		}
	case q.Protocol == proxy.HTTP10:
		q.Host = nil
	default:
		return errHostMissing
	}
	t := q.Target
	if t[0] == '/' && q.Verb != proxy.MethodConnect { // origin-form
		q.Path, q.Query, q.HasQuery = cutQuery(t)
		return nil
	}
	return resolveUncommon(q)
}

// resolveUncommon does it for the other three forms of a target.
func resolveUncommon(q *proxy.Request) error {
	t := q.Target
	q.Path, q.Query, q.HasQuery = t, nil, false
	switch {
	case q.Verb == proxy.MethodConnect:
		if !validHost(t) || portAt(t) < 0 {
			return errConnectForm
		}
		overruleHost(q, t)
		return nil
	case len(t) == 1 && t[0] == '*':
		if q.Verb != proxy.MethodOptions {
			return errAsteriskForm
		}
		return nil
	}
	return resolveAbsolute(q)
}

// resolveAbsolute takes an absolute-form apart. Its authority wins over Host
// (RFC 9112 section 3.2.2). Without a path it asks for "/", or for "*" if it
// is OPTIONS and has no query (section 3.2.4).
func resolveAbsolute(q *proxy.Request) error {
	t := q.Target
	switch {
	case len(t) > 7 && equalFold(t[:7], "http://"):
		t = t[7:]
	case len(t) > 8 && equalFold(t[:8], "https://"):
		t = t[8:]
	case bytes.Contains(t, []byte("://")):
		return errScheme
	case validHost(t):
		return errAuthorityForm
	default:
		return errTarget
	}
	a := 0
	for a < len(t) && t[a] != '/' && t[a] != '?' {
		a++
	}
	authority := t[:a]
	if bytes.IndexByte(authority, '@') >= 0 {
		return errUserinfo
	}
	if !validHost(authority) {
		return errHost
	}
	overruleHost(q, authority)
	if q.Path, q.Query, q.HasQuery = cutQuery(t[a:]); len(q.Path) > 0 {
		return nil
	}
	q.Path = slash
	if q.Verb == proxy.MethodOptions && !q.HasQuery {
		q.Path = asterisk
	}
	return nil
}

var slash, asterisk = []byte("/"), []byte("*")

// overruleHost makes the target's authority the request's host.
func overruleHost(q *proxy.Request, authority []byte) {
	q.Host = authority
	q.Fields.Del(proxy.Host)
	q.Fields.Add(proxy.Host, authority)
}

func cutQuery(t []byte) (path, query []byte, has bool) {
	if i := bytes.IndexByte(t, '?'); i >= 0 {
		return t[:i:i], t[i+1:], true
	}
	return t, nil, false
}

// validHost reports whether h is a host with an optional port (RFC 9110 section
// 7.2). Of what RFC 3986 allows in a name, escapes and delimiters are refused:
// no name has them in DNS, and servers disagree about what they mean. An http
// URI never has an empty host (RFC 9110 section 4.2.1).
func validHost(h []byte) bool {
	i := 0
	if len(h) > 0 && h[0] == '[' {
		if i = bytes.IndexByte(h, ']') + 1; i < len("[::]") {
			return false
		}
		for _, c := range h[1 : i-1] {
			if hexDigits[c] == 0xff && c != ':' && c != '.' {
				return false
			}
		}
	} else {
		for i < len(h) && octets[h[i]]&hostchar != 0 {
			i++
		}
		if i == 0 {
			return false
		}
	}
	return i == len(h) || (h[i] == ':' && validPort(h[i+1:]))
}

// validPort reports whether p is the number of a port, or empty.
func validPort(p []byte) bool {
	n := 0
	for _, c := range p {
		if octets[c]&digit == 0 {
			return false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return true
}

// portAt returns where the port of a valid host begins, -1 when it has none.
func portAt(h []byte) int {
	i := bytes.LastIndexByte(h, ':') + 1
	if i == 0 || i == len(h) || h[len(h)-1] == ']' {
		return -1
	}
	return i
}
