package simulate

import (
	"bytes"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lictor/lictor/proxy"
)

// parseJSON reads a line of the JSON access log: an object whose members may stand
// in any order. Those it doesn't know are skipped, whatever they are.
func parseJSON(line []byte, r *Request, space []byte) ([]byte, error) {
	r.Took, r.BytesIn = -1, -1
	p := jsonLine{rest: line, space: space}
	if !p.eat('{') {
		return p.space, errNotJSON
	}
	seen := 0
	for first := true; ; first = false {
		if p.eat('}') {
			break
		}
		if !first && !p.eat(',') {
			return p.space, errNotJSON
		}
		name, ok := p.text()
		if !ok || !p.eat(':') {
			return p.space, errNotJSON
		}
		known, err := p.member(r, name)
		if err != nil {
			return p.space, err
		}
		seen |= known
	}
	if p.skipSpace(); len(p.rest) > 0 {
		return p.space, errMore
	}
	if seen != hasTime|hasClient|hasMethod|hasPath {
		return p.space, errMissing
	}
	return p.space, nil
}

// What a line must have.
const (
	hasTime = 1 << iota
	hasClient
	hasMethod
	hasPath
)

// member reads the value of a member.
func (p *jsonLine) member(r *Request, name []byte) (known int, err error) {
	p.skipSpace()
	if len(p.rest) == 0 {
		return 0, errCut
	}
	if p.rest[0] != '"' {
		raw, ok := p.value()
		if !ok {
			return 0, errNotJSON
		}
		return 0, r.setNumber(name, raw)
	}
	v, ok := p.text()
	if !ok {
		return 0, errNotJSON
	}
	switch string(name) {
	case "time":
		r.Start, err = parseRFC3339(v)
		return hasTime, err
	case "client":
		r.Client, err = parseAddr(v)
		return hasClient, err
	case "method":
		r.Method = v
		return nonEmpty(v, hasMethod), nil
	case "host":
		r.Host = v
	case "path":
		r.Path = v
		return nonEmpty(v, hasPath), nil
	case "protocol":
		if p := string(v); p == proxy.TCP.String() || p == proxy.TLS.String() {
			return 0, errPassage
		}
	case "query":
		r.Query, r.HasQuery = v, len(v) > 0
	case "user_agent":
		r.UserAgent = v
	case "referer":
		r.Referer = v
	}
	return 0, nil
}

func nonEmpty(v []byte, flag int) int {
	if len(v) == 0 {
		return 0
	}
	return flag
}

func (r *Request) setNumber(name, raw []byte) error {
	var ok bool
	switch string(name) {
	case "status":
		if r.Status, ok = digits(raw); !ok || len(raw) > 3 {
			return errStatus
		}
	case "bytes_in":
		n, ok := digits(raw)
		if !ok || len(raw) > 18 {
			return errNumber
		}
		r.BytesIn = int64(n)
	case "duration_ms":
		if r.Took, ok = milliseconds(raw); !ok {
			return errNumber
		}
	case "tls":
		r.TLS = string(raw) == "true"
	case "time", "client", "method", "path":
		return errMissing
	}
	return nil
}

// milliseconds reads a number of them, with at most three digits behind the point
// that count.
func milliseconds(b []byte) (time.Duration, bool) {
	whole, part, _ := bytes.Cut(b, []byte("."))
	n, ok := digits(whole)
	if !ok || len(whole) == 0 || len(whole) > 12 {
		return 0, false
	}
	d := time.Duration(n) * time.Millisecond
	for unit := 100 * time.Microsecond; len(part) > 0; part, unit = part[1:], unit/10 {
		if part[0] < '0' || part[0] > '9' {
			return 0, false
		}
		d += time.Duration(part[0]-'0') * unit
	}
	return d, true
}

// jsonLine is what is left of a line.
type jsonLine struct{ rest, space []byte }

func (p *jsonLine) skipSpace() {
	for len(p.rest) > 0 && (p.rest[0] == ' ' || p.rest[0] == '\t' || p.rest[0] == '\r' || p.rest[0] == '\n') {
		p.rest = p.rest[1:]
	}
}

func (p *jsonLine) eat(c byte) bool {
	p.skipSpace()
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// text reads a string.
func (p *jsonLine) text() ([]byte, bool) {
	if !p.eat('"') {
		return nil, false
	}
	end := bytes.IndexByte(p.rest, '"')
	if end < 0 {
		return nil, false
	}
	s := p.rest[:end]
	if bytes.IndexByte(s, '\\') < 0 {
		p.rest = p.rest[end+1:]
		return s, true
	}
	start := len(p.space)
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return p.space[start:len(p.space):len(p.space)], true
		case '\\':
			i++
			n, ok := p.escape(i)
			if !ok {
				return nil, false
			}
			i += n
		default:
			p.space = append(p.space, c)
		}
	}
	return nil, false
}

// escape undoes the escape whose letter stands at i, and returns how many bytes
// follow that belong to it.
func (p *jsonLine) escape(i int) (more int, ok bool) {
	if i >= len(p.rest) {
		return 0, false
	}
	switch c := p.rest[i]; c {
	case '"', '\\', '/':
		p.space = append(p.space, c)
	case 'b', 'f', 'n', 'r', 't':
		p.space = append(p.space, unescaped(c))
	case 'u':
		u, ok := p.unit(i + 1)
		if !ok {
			return 0, false
		}
		more = 4
		if utf16.IsSurrogate(u) {
			if low, ok := p.unit(i + 7); ok && p.rest[i+5] == '\\' && p.rest[i+6] == 'u' && utf16.DecodeRune(u, low) != utf8.RuneError {
				u, more = utf16.DecodeRune(u, low), 10
			} else {
				u = utf8.RuneError
			}
		}
		p.space = utf8.AppendRune(p.space, u)
	default:
		return 0, false
	}
	return more, true
}

func (p *jsonLine) unit(at int) (rune, bool) {
	if at+4 > len(p.rest) {
		return 0, false
	}
	v, ok := hexDigits(p.rest[at : at+4])
	return rune(v), ok //nolint:gosec // four digits
}

// value skips a value that is no string, and returns it. Of objects and lists only
// the brackets are looked at.
func (p *jsonLine) value() ([]byte, bool) {
	depth, all := 0, p.rest
	for len(p.rest) > 0 {
		switch c := p.rest[0]; c {
		case '"':
			if _, ok := p.text(); !ok {
				return nil, false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']', ',':
			if depth == 0 {
				raw := bytes.TrimRight(all[:len(all)-len(p.rest)], " \t")
				return raw, len(raw) > 0
			}
			if c != ',' {
				depth--
			}
		}
		p.rest = p.rest[1:]
	}
	return nil, false
}
