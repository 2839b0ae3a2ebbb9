package proxy

import (
	"bytes"
	"strconv"

	"github.com/lictor/lictor/proxy/router"
)

// AppendHostName appends the host that a request is for, in lower case and without
// its port, as it may stand in a URL. It reports false for what is neither a name
// nor an address: such a Host can hold what ends an authority early, and must not
// come back in a Location.
func AppendHostName(dst, host []byte) ([]byte, bool) {
	at := len(dst)
	dst = router.AppendHost(dst, host)
	name := dst[at:]
	inside, literal := bytes.CutPrefix(name, []byte("["))
	if literal {
		if inside, literal = bytes.CutSuffix(inside, []byte("]")); !literal {
			return dst, false
		}
	}
	for _, c := range inside {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.':
		case literal && c == ':', !literal && (c == '-' || c == '_'):
		default:
			return dst, false
		}
	}
	return dst, len(inside) > 0
}

// AppendQuery appends the query of a request with its "?", nothing when it has none.
// What may not stand in a URL as it is, such as a byte beyond ASCII that an engine
// let pass, is escaped (RFC 3986 section 3.4).
func (r *Request) AppendQuery(dst []byte) []byte {
	if !r.HasQuery {
		return dst
	}
	dst = append(dst, '?')
	for _, c := range r.Query {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '#' || c == '<' || c == '>' || c == '\\' || c == '^' || c == '`' || c == '{' || c == '|' || c == '}' {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// Matched is the path by which the request has found its route, in normal form.
// What steps make of Request.Path does not change it. Nil before there was one.
func (x *Exchange) Matched() []byte { return x.matched }

// Scheme is how the client speaks to the gateway, "https" or "http": by its own
// connection, or, behind a trusted proxy, by that proxy's word.
func (x *Exchange) Scheme() string {
	said := x.chain.proto()
	if said == "" {
		said = lendString(x.Request.Fields.Get(XForwardedProto)) // a trusted peer's: see identify
	}
	switch {
	case EqualFold(said, "https"), EqualFold(said, "wss"):
		return "https"
	case EqualFold(said, "http"), EqualFold(said, "ws"):
		return "http"
	case x.Conn.TLS:
		return "https"
	}
	return "http"
}

// redirectToHTTPS sends a client that came in clear to where the listener says that
// TLS is spoken, and reports whether it did. The request has found a route, so its
// host is one that the policies serve: the client gets no further by this than to
// the host that it asked for itself.
func (x *Exchange) redirectToHTTPS() bool {
	l := x.Conn.Listener
	if l.RedirectPort == 0 || x.Scheme() == "https" {
		return false
	}
	b, ok := AppendHostName(append(x.Space(), "https://"...), x.Request.Host)
	if !ok {
		x.Answer(Malformed, "the host is neither a name nor an address", nil)
		return true
	}
	if l.RedirectPort != 443 {
		b = strconv.AppendUint(append(b, ':'), uint64(l.RedirectPort), 10)
	}
	b = x.Request.AppendQuery(append(b, x.Request.Path...))
	x.ResetResponse()
	x.Response.Fields.Add(Location, b)
	x.Reply(308)
	return true
}

// addHSTS keeps clients with TLS that came by it, where the listener says so, and
// neither the instance nor a step has said otherwise. There is no connection to an
// Exchange that a test of a step made up.
func (x *Exchange) addHSTS(f *Fields) {
	if x.Conn == nil || x.Conn.Listener.HSTS == "" || f.Get(StrictTransportSecurity) != nil || x.Scheme() != "https" {
		return
	}
	f.AddString(StrictTransportSecurity, x.Conn.Listener.HSTS)
}
