package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lictor/lictor/attr"
)

// plain are the variables that need no name.
var plain = []struct {
	name string
	kind kind
}{
	{"host", host},
	{"path", path},
	{"rest", rest},
	{"query", query},
	{"scheme", scheme},
	{"method", method},
	{"request_id", requestID},
	{"route", routeName},
	{"service", service},
	{"client.ip", clientIP},
	{"client.cert", clientCert},
	{"client.cert.subject", certSubject},
	{"client.cert.serial", certSerial},
	{"client.cert.san_dns", certDNS},
	{"client.cert.san_uri", certURI},
	{"client.cert.der", certDER},
}

// Parse compiles a text for a route. Its error says what is wrong with the text.
func Parse(text string, r *Route) (*Template, error) {
	t := &Template{text: text, route: r}
	var plainText strings.Builder
	flush := func() {
		if plainText.Len() > 0 {
			t.parts = append(t.parts, part{kind: literal, text: plainText.String()})
			plainText.Reset()
		}
	}
	for s := text; s != ""; {
		switch c := s[0]; {
		case len(s) > 1 && (c == '{' || c == '}') && s[1] == c:
			plainText.WriteByte(c)
			s = s[2:]
		case c == '}':
			return nil, fmt.Errorf("%q has a } that closes nothing: write }} for the brace itself", text)
		case c == '{':
			name, tail, closed := strings.Cut(s[1:], "}")
			if !closed {
				return nil, fmt.Errorf("%q has a { that nothing closes: write {{ for the brace itself", text)
			}
			p, err := variable(name, r)
			if err != nil {
				return nil, err
			}
			flush()
			t.parts = append(t.parts, p)
			s = tail
		default:
			plainText.WriteByte(c)
			s = s[1:]
		}
	}
	flush()
	return t, nil
}

func variable(name string, r *Route) (part, error) {
	for _, p := range plain {
		if p.name == name {
			return part{kind: p.kind}, nil
		}
	}
	family, of, _ := strings.Cut(name, ".")
	switch {
	case family == "path" && of != "":
		i, err := r.param(of)
		return part{kind: param, param: i}, err
	case family == "jwt" && of != "" && !slices.Contains(strings.Split(of, "."), ""):
		return part{kind: claim, claim: strings.Split(of, ".")}, nil
	case family == "header" && FieldName(of):
		return part{kind: field, text: of}, nil
	}
	var names []string
	for _, p := range plain {
		names = append(names, p.name)
	}
	return part{}, fmt.Errorf("there is no variable {%s}; there are {%s}, {path.<name>}, {jwt.<claim>} and {header.<Name>}.%s",
		name, strings.Join(names, "}, {"), attr.DidYouMean(name, names))
}

// FieldName reports whether s can be the name of a field (RFC 9110 section 5.6.2),
// of at most 128 bytes.
func FieldName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !unreserved(c) && strings.IndexByte("!#$%&'*+^`|", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 128
}
