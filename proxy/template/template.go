package template

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// kind says what a part of a template is.
type kind uint8

const (
	literal kind = iota
	host
	path
	rest
	param
	query
	scheme
	method
	requestID
	routeName
	service
	clientIP
	clientCert
	certSubject
	certSerial
	certDNS
	certURI
	certDER
	claim
	field
)

// part is a text or a variable.
type part struct {
	kind  kind
	text  string   // of a literal; the name of a field
	claim []string // the path to a claim
	param int      // index into what Route.find returns
}

// Template is a compiled text. It is immutable. The zero value is the empty text.
type Template struct {
	parts []part
	route *Route // nil where nothing of the route is asked for
	text  string // as it was written
}

// String returns the text as it was written.
func (t *Template) String() string { return t.text }

// Constant returns the text of a template without variables.
func (t *Template) Constant() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].kind == literal:
		return t.parts[0].text, true
	}
	return "", false
}

// AppendURL appends the text as a part of a URL: of what is not from the request's
// own target everything but unreserved characters is escaped (RFC 3986 section 2.3),
// so that no value can end the component that it stands in. It reports false when
// the host that is asked for is none.
func (t *Template) AppendURL(dst []byte, x *proxy.Exchange) ([]byte, bool) {
	var found match
	for i := range t.parts {
		p := &t.parts[i]
		switch p.kind {
		case literal:
			dst = append(dst, p.text...)
		case host:
			var ok bool
			if dst, ok = proxy.AppendHostName(dst, x.Request.Host); !ok {
				return dst, false
			}
		case query:
			dst = x.Request.AppendQuery(dst)
		case path, rest, param: // in normal form
			dst = t.append(dst, p, x, &found)
		default:
			at := len(dst)
			dst = escapeTail(t.append(dst, p, x, &found), at)
		}
	}
	return dst, true
}

// AppendParameter appends the text as the value of a query parameter: all of it is
// escaped but unreserved characters, what the policy wrote as well.
func (t *Template) AppendParameter(dst []byte, x *proxy.Exchange) []byte {
	var found match
	at := len(dst)
	for i := range t.parts {
		if p := &t.parts[i]; p.kind == literal {
			dst = append(dst, p.text...)
		} else {
			dst = t.append(dst, p, x, &found)
		}
	}
	return escapeTail(dst, at)
}

// AppendEscaped appends s with everything escaped but unreserved characters.
func AppendEscaped(dst []byte, s string) []byte { return escapeTail(append(dst, s...), len(dst)) }

// Lacks reports whether a claim, a field or a certificate that the text asks for is
// not there.
func (t *Template) Lacks(x *proxy.Exchange) bool {
	for i := range t.parts {
		switch p := &t.parts[i]; p.kind {
		case claim:
			if x.Identity == nil {
				return true
			}
			if v, ok := x.Identity.Claim(p.claim); !ok || v == "" {
				return true
			}
		case field:
			if v, ok := x.Request.Fields.Lookup(p.text); !ok || len(v) == 0 {
				return true
			}
		case clientCert, certSubject, certSerial, certDNS, certURI, certDER:
			if len(appendCert(nil, p.kind, x)) == 0 {
				return true
			}
		}
	}
	return false
}

// Filled returns the text with the same word for every variable, to look at its
// form.
func (t *Template) Filled(word string) string {
	var b strings.Builder
	for i := range t.parts {
		if p := &t.parts[i]; p.kind == literal {
			b.WriteString(p.text)
		} else {
			b.WriteString(word)
		}
	}
	return b.String()
}

// HasQuery reports whether the text asks for {query}.
func (t *Template) HasQuery() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.kind == query })
}

// MaxField bounds what AppendField appends, in bytes.
const MaxField = 4 << 10

// AppendField appends the text as the value of a field (RFC 9110 section 5.5), and
// reports false when it can't be one: it is empty or too long, or it holds a control
// character such as CR, LF or NUL, or white space at its ends.
func (t *Template) AppendField(dst []byte, x *proxy.Exchange) ([]byte, bool) {
	var found match
	at := len(dst)
	for i := range t.parts {
		p := &t.parts[i]
		switch p.kind {
		case literal:
			dst = append(dst, p.text...)
		case query:
			dst = x.Request.AppendQuery(dst)
		default:
			dst = t.append(dst, p, x, &found)
		}
	}
	return dst, FieldValue(dst[at:])
}

// FieldValue reports whether v can be the value of a field as it is: not empty, not
// too long, without control characters, and without white space at its ends, which
// readers drop.
func FieldValue[T ~string | ~[]byte](v T) bool {
	if len(v) == 0 || len(v) > MaxField || v[0] == ' ' || v[len(v)-1] == ' ' {
		return false
	}
	for i := range len(v) {
		if v[i] < ' ' || v[i] == 0x7f {
			return false
		}
	}
	return true
}

// append appends the value of a variable as it is.
func (t *Template) append(dst []byte, p *part, x *proxy.Exchange, found *match) []byte {
	switch p.kind {
	case literal, query:
	case host:
		if with, ok := proxy.AppendHostName(dst, x.Request.Host); ok {
			dst = with
		}
	case path:
		dst = append(dst, x.Matched()...)
	case rest:
		dst = append(dst, t.route.rest(x.Matched())...)
	case param:
		dst = append(dst, t.route.find(x.Matched(), p.param, found)...)
	case scheme:
		dst = append(dst, x.Scheme()...)
	case method:
		dst = append(dst, x.Request.Method...)
	case requestID:
		dst = append(dst, x.RequestID()...)
	case routeName:
		if x.Route != nil {
			dst = append(dst, x.Route.Name()...)
		}
	case service:
		dst = append(dst, x.Service()...)
	case clientIP:
		if x.Client.IsValid() {
			dst = x.Client.AppendTo(dst)
		}
	case clientCert, certSubject, certSerial, certDNS, certURI, certDER:
		dst = appendCert(dst, p.kind, x)
	case claim:
		if x.Identity != nil {
			if v, ok := x.Identity.Claim(p.claim); ok {
				dst = append(dst, v...)
			}
		}
	case field:
		if v, ok := x.Request.Fields.Lookup(p.text); ok {
			dst = append(dst, v...)
		}
	}
	return dst
}

// appendCert appends what is asked for of the client's certificate, nothing without
// one.
func appendCert(dst []byte, what kind, x *proxy.Exchange) []byte {
	c := x.Conn.ClientCertificate()
	if c == nil {
		return dst
	}
	switch what {
	case certSubject:
		return append(dst, c.Subject()...)
	case certSerial:
		return append(dst, c.Serial()...)
	case certDNS:
		return append(dst, c.DNSNames()...)
	case certURI:
		return append(dst, c.URIs()...)
	case certDER:
		return c.AppendDER(dst)
	default:
		return hex.AppendEncode(dst, x.Conn.ClientCert())
	}
}

// escapeTail escapes what stands behind at, but for unreserved characters.
func escapeTail(dst []byte, at int) []byte {
	n := 0
	for _, c := range dst[at:] {
		if !unreserved(c) {
			n++
		}
	}
	if n == 0 {
		return dst
	}
	plain := len(dst)
	for range 2 * n {
		dst = append(dst, 0)
	}
	for i, j := plain-1, len(dst)-1; i >= at; i-- {
		if c := dst[i]; unreserved(c) {
			dst[j] = c
			j--
		} else {
			dst[j], dst[j-1], dst[j-2] = upperHex[c&15], upperHex[c>>4], '%'
			j -= 3
		}
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// unreserved reports whether a byte stands for itself anywhere in a URL.
func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
