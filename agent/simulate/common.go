package simulate

import (
	"bytes"
	"math"
)

// parseCommon reads a line of the common log format, of Lictor, Apache, nginx and
// fabio, and ignores what comes behind it:
//
//	192.0.2.1 - - [02/Jan/2006:15:04:05 -0700] "GET /path?query HTTP/1.1" 200 512
func parseCommon(line []byte, r *Request, space []byte) ([]byte, error) {
	_, space, err := parseNCSA(line, r, space)
	return space, err
}

// parseCombined reads a line of the combined log format: a common one with referer
// and user agent.
func parseCombined(line []byte, r *Request, space []byte) ([]byte, error) {
	rest, space, err := parseNCSA(line, r, space)
	if err != nil {
		return space, err
	}
	for _, into := range [...]*[]byte{&r.Referer, &r.UserAgent} {
		var ok bool
		if *into, rest, space, ok = cutQuoted(bytes.TrimLeft(rest, " "), space); !ok {
			return space, errNoAgent
		}
		if string(*into) == "-" {
			*into = nil
		}
	}
	return space, nil
}

func parseNCSA(line []byte, r *Request, space []byte) (rest, space2 []byte, err error) {
	r.Took, r.BytesIn = -1, -1
	client, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return nil, space, errCut
	}
	if r.Client, err = parseAddr(client); err != nil {
		return nil, space, err
	}
	_, rest, ok = bytes.Cut(rest, []byte(" [")) // names of users may hold spaces
	if !ok {
		return nil, space, errTime
	}
	at, rest, ok := bytes.Cut(rest, []byte("] "))
	if !ok {
		return nil, space, errTime
	}
	if r.Start, err = parseCommonTime(at); err != nil {
		return nil, space, err
	}
	request, rest, space, ok := cutQuoted(rest, space)
	if !ok || !r.readLine(request) {
		return nil, space, errRequest
	}
	rest = bytes.TrimLeft(rest, " ")
	status, rest, _ := bytes.Cut(rest, []byte(" "))
	if r.Status, ok = digits(status); !ok || len(status) != 3 {
		return nil, space, errStatus
	}
	size, rest, _ := bytes.Cut(rest, []byte(" "))
	if _, ok := digits(size); len(size) == 0 || !ok && string(size) != "-" {
		return nil, space, errNumber
	}
	return rest, space, nil
}

// readLine reads a request line.
func (r *Request) readLine(b []byte) bool {
	method, rest, ok := bytes.Cut(b, []byte(" "))
	if !ok || len(method) == 0 {
		return false
	}
	target := rest
	if i := bytes.LastIndexByte(rest, ' '); i >= 0 {
		if !bytes.HasPrefix(rest[i+1:], []byte("HTTP/")) {
			return false
		}
		target = rest[:i]
	}
	r.Method = method
	if scheme, after, ok := bytes.Cut(target, []byte("://")); ok && (string(scheme) == "http" || string(scheme) == "https") {
		end := bytes.IndexAny(after, "/?")
		if end < 0 {
			end = len(after)
		}
		r.Host, target = after[:end], after[end:]
		if len(target) == 0 || target[0] == '?' {
			r.Path = []byte("/")
		}
	}
	path, query, has := bytes.Cut(target, []byte("?"))
	if len(path) > 0 {
		r.Path = path
	}
	r.Query, r.HasQuery = query, has
	return len(r.Path) > 0
}

// cutQuoted reads a text in quotes, in which Apache and nginx escape what would
// end it.
func cutQuoted(b, space []byte) (text, rest, space2 []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, b, space, false
	}
	b = b[1:]
	end := bytes.IndexByte(b, '"')
	if end < 0 {
		return nil, b, space, false
	}
	if bytes.IndexByte(b[:end], '\\') < 0 {
		return b[:end], b[end+1:], space, true
	}
	start := len(space)
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return space[start:len(space):len(space)], b[i+1:], space, true
		case c != '\\' || i+1 == len(b):
			space = append(space, c)
		default:
			i++
			if v, ok := hexByte(b[i:]); ok {
				space = append(space, v)
				i += 2
			} else {
				space = append(space, unescaped(b[i]))
			}
		}
	}
	return nil, nil, space, false
}

// hexByte reads xHH.
func hexByte(b []byte) (byte, bool) {
	if len(b) < 3 || b[0] != 'x' {
		return 0, false
	}
	v, ok := hexDigits(b[1:3])
	return byte(v), ok //nolint:gosec // two digits
}

func hexDigits(b []byte) (v uint32, ok bool) {
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | uint32(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			v = v<<4 | uint32(c|0x20-'a'+10)
		default:
			return math.MaxUint32, false
		}
	}
	return v, true
}

func unescaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'v':
		return '\v'
	case 'f':
		return '\f'
	}
	return c
}
