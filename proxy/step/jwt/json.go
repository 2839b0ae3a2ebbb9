package jwt

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds on the JSON of a token's header or claims.
const (
	maxDepth = 32
	maxNodes = 4096
)

var (
	errSyntax    = errors.New("not JSON")
	errDuplicate = errors.New("a member occurs twice in the JSON")
	errDeep      = errors.New("the JSON is nested too deeply")
	errMany      = errors.New("the JSON holds too many values")
	errText      = errors.New("the JSON holds text that is not Unicode")
	errTrailing  = errors.New("something follows the JSON")
	errNoObject  = errors.New("the JSON is not an object")
)

type kind uint8

const (
	nullKind kind = iota
	boolKind
	numberKind
	stringKind
	arrayKind
	objectKind
)

// node is one value of a document.
type node struct {
	name string // of the member that this is the value of
	text string // of a string its characters, of a number or bool its letters
	end  int32  // index after the last node inside this one
	kind kind
}

// document is a JSON object (RFC 8259) as a list of values, each followed by
// what is inside it. It is immutable. Numbers are kept as they were written.
type document []node

// parseObject reads an object, more strictly than most: member names are unique
// (RFC 7519 section 4), the text is valid Unicode without lone surrogates,
// depth and size are bounded, and nothing but white space may follow. The
// document refers to s.
func parseObject(s string) (document, error) {
	p := parser{s: s, out: make(document, 0, 16)}
	p.space()
	if err := p.value("", 0); err != nil {
		return nil, err
	}
	if p.space(); p.at < len(s) {
		return nil, errTrailing
	}
	if p.out[0].kind != objectKind {
		return nil, errNoObject
	}
	return p.out, nil
}

type parser struct {
	s   string
	at  int
	out document
}

func (p *parser) space() {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\t' || p.s[p.at] == '\n' || p.s[p.at] == '\r') {
		p.at++
	}
}

// take skips the byte c if it is next.
func (p *parser) take(c byte) bool {
	if p.at < len(p.s) && p.s[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) value(name string, depth int) error {
	switch {
	case depth > maxDepth:
		return errDeep
	case len(p.out) == maxNodes:
		return errMany
	case p.at == len(p.s):
		return errSyntax
	}
	i := len(p.out)
	p.out = append(p.out, node{name: name})
	var err error
	n := node{name: name}
	switch c := p.s[p.at]; {
	case c == '{':
		n.kind, err = objectKind, p.object(i, depth)
	case c == '[':
		n.kind, err = arrayKind, p.array(depth)
	case c == '"':
		n.kind = stringKind
		n.text, err = p.string()
	case c == '-' || '0' <= c && c <= '9':
		n.kind = numberKind
		n.text, err = p.number()
	default:
		n.kind, n.text, err = p.literal()
	}
	n.end = int32(len(p.out)) //nolint:gosec // at most maxNodes
	p.out[i] = n
	return err
}

func (p *parser) literal() (kind, string, error) {
	for _, l := range [...]struct {
		text string
		kind kind
	}{{"true", boolKind}, {"false", boolKind}, {"null", nullKind}} {
		if strings.HasPrefix(p.s[p.at:], l.text) {
			p.at += len(l.text)
			return l.kind, l.text, nil
		}
	}
	return 0, "", errSyntax
}

func (p *parser) array(depth int) error {
	p.at++
	if p.space(); p.take(']') {
		return nil
	}
	for {
		p.space()
		if err := p.value("", depth+1); err != nil {
			return err
		}
		p.space()
		switch {
		case p.take(']'):
			return nil
		case !p.take(','):
			return errSyntax
		}
	}
}

// object reads the members of the object that is node i.
func (p *parser) object(i, depth int) error {
	p.at++
	if p.space(); p.take('}') {
		return nil
	}
	for n := 0; ; n++ {
		p.space()
		if p.at == len(p.s) || p.s[p.at] != '"' {
			return errSyntax
		}
		name, err := p.string()
		if err != nil {
			return err
		}
		if p.space(); !p.take(':') {
			return errSyntax
		}
		p.space()
		if err := p.value(name, depth+1); err != nil {
			return err
		}
		p.space()
		switch {
		case p.take('}'):
			return p.unique(i, n+1)
		case !p.take(','):
			return errSyntax
		}
	}
}

// fewMembers is up to how many names are compared with one another, which is
// faster than a map.
const fewMembers = 24

// unique wants the members of node i, which are n and still lack no node, to
// have different names.
func (p *parser) unique(i, n int) error {
	if n < 2 {
		return nil
	}
	last := len(p.out)
	if n > fewMembers {
		seen := make(map[string]struct{}, n)
		for j := i + 1; j < last; j = int(p.out[j].end) {
			seen[p.out[j].name] = struct{}{}
		}
		if len(seen) < n {
			return errDuplicate
		}
		return nil
	}
	for j := i + 1; j < last; j = int(p.out[j].end) {
		for k := int(p.out[j].end); k < last; k = int(p.out[k].end) {
			if p.out[j].name == p.out[k].name {
				return errDuplicate
			}
		}
	}
	return nil
}

// number reads a number (RFC 8259 section 6) as it is written.
func (p *parser) number() (string, error) {
	start := p.at
	p.take('-')
	if !p.take('0') && p.digits() == 0 {
		return "", errSyntax
	}
	if p.take('.') && p.digits() == 0 {
		return "", errSyntax
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		if p.digits() == 0 {
			return "", errSyntax
		}
	}
	return p.s[start:p.at], nil
}

func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.s) && '0' <= p.s[p.at] && p.s[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}

// string reads a string (RFC 8259 section 7).
func (p *parser) string() (string, error) {
	p.at++
	start := p.at
	for p.at < len(p.s) {
		switch c := p.s[p.at]; {
		case c == '"':
			p.at++
			return p.s[start : p.at-1], nil
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", errSyntax
		case c < utf8.RuneSelf:
			p.at++
		default:
			r, n := utf8.DecodeRuneInString(p.s[p.at:])
			if r == utf8.RuneError && n <= 1 {
				return "", errText
			}
			p.at += n
		}
	}
	return "", errSyntax
}

// escaped reads on from the first escape of a string that began at start.
func (p *parser) escaped(start int) (string, error) {
	b := append([]byte(nil), p.s[start:p.at]...)
	for p.at < len(p.s) {
		c := p.s[p.at]
		switch {
		case c == '"':
			p.at++
			return string(b), nil
		case c < ' ':
			return "", errSyntax
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		default:
			r, n := utf8.DecodeRuneInString(p.s[p.at:])
			if r == utf8.RuneError && n <= 1 {
				return "", errText
			}
			b = append(b, p.s[p.at:p.at+n]...)
			p.at += n
		}
	}
	return "", errSyntax
}

func (p *parser) escape() (rune, error) {
	if p.at+1 >= len(p.s) {
		return 0, errSyntax
	}
	c := p.s[p.at+1]
	p.at += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, err := p.hex()
		if err != nil || !utf16.IsSurrogate(r) {
			return r, err
		}
		if !strings.HasPrefix(p.s[p.at:], `\u`) {
			return 0, errText
		}
		p.at += 2
		low, err := p.hex()
		if err != nil {
			return 0, err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return 0, errText
		}
		return r, nil
	}
	return 0, errSyntax
}

func (p *parser) hex() (rune, error) {
	if p.at+4 > len(p.s) {
		return 0, errSyntax
	}
	v := rune(0)
	for _, c := range []byte(p.s[p.at : p.at+4]) {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			v = v<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, errSyntax
		}
	}
	p.at += 4
	return v, nil
}

// member returns the index of a member of the object at i, -1 when there is
// none or the node is no object.
func (d document) member(i int, name string) int {
	if d[i].kind != objectKind {
		return -1
	}
	for j := i + 1; j < int(d[i].end); j = int(d[j].end) {
		if d[j].name == name {
			return j
		}
	}
	return -1
}

// walk follows a path of member names from the whole document, -1 when it ends
// nowhere.
func (d document) walk(path []string) int {
	i := 0
	for _, name := range path {
		if i = d.member(i, name); i < 0 {
			return -1
		}
	}
	return i
}

// scalar returns a string, number or bool as text.
func (n *node) scalar() (string, bool) {
	return n.text, n.kind == stringKind || n.kind == numberKind || n.kind == boolKind
}

// float returns a number's value; false when it is none or out of range.
func (n *node) float() (float64, bool) {
	if n.kind != numberKind {
		return 0, false
	}
	v, err := strconv.ParseFloat(n.text, 64)
	return v, err == nil
}
