package router

import "bytes"

// PathOptions are the two choices a listener makes about paths. The zero
// value keeps empty segments and encoded slashes.
type PathOptions struct {
	// MergeSlashes drops empty segments: /a//b becomes /a/b. Without it an
	// empty segment is data and //admin is not under the prefix /admin.
	MergeSlashes bool

	// RejectEncodedSlash refuses %2F with EncodedSlash. Without it %2F stays
	// in the path as data and never separates segments.
	RejectEncodedSlash bool
}

// PathError says why a path was refused. It is a comparable value, costs no
// allocation, and always means 400.
type PathError uint8

// The reasons for which Normalize refuses a path.
const (
	// NotAbsolute is a path that does not begin with '/' and is not "*".
	NotAbsolute PathError = iota + 1
	// BadByte is an octet that no path may hold unescaped: a control, a
	// space, an octet above 0x7E, '?' or '#'.
	BadByte
	// BadEscape is a '%' that two hexadecimal digits do not follow.
	BadEscape
	// EncodedNUL is %00.
	EncodedNUL
	// Backslash is '\' or %5C, which some servers read as '/'.
	Backslash
	// EncodedSlash is %2F where the listener rejects it.
	EncodedSlash
	// HiddenDots is a segment that becomes "." or ".." for a server that
	// undoes %2F, drops ";params" or accepts overlong UTF-8.
	HiddenDots
)

// Error names the reason in lower case, without the path.
func (e PathError) Error() string {
	switch e {
	case NotAbsolute:
		return "path does not begin with a slash"
	case BadByte:
		return "path holds an octet that must be escaped"
	case BadEscape:
		return "path holds a malformed escape"
	case EncodedNUL:
		return "path holds an encoded NUL"
	case Backslash:
		return "path holds a backslash"
	case EncodedSlash:
		return "path holds an encoded slash"
	case HiddenDots:
		return "path hides a dot segment"
	}
	return "path is malformed"
}

// Status is the HTTP status that the error deserves: 400, whatever the reason.
func (e PathError) Status() int { return 400 }

// Normalize returns the one spelling of a request's path by which it is
// matched and under which it is forwarded. The two must be the same octets:
// were the original forwarded, /public/%2e%2e/admin would be let in as
// /public and served as /admin.
//
// A path that is already normal is returned as it is, not copied. Otherwise
// the normal form is written behind dst, and the result is that form alone,
// without what dst held. The memory of dst must not overlap that of path.
// Normalizing a second time changes nothing.
//
// What is done (RFC 3986, 5.2.4 and 6.2.2):
//   - an escaped unreserved octet is decoded, any other escape is written with
//     upper-case digits; nothing is decoded twice, so %252e stays %252e;
//   - dot segments are removed, however they were escaped, and ".." above
//     the root is dropped;
//   - empty segments are removed if MergeSlashes says so, before ".." looks for
//     the segment it removes;
//   - '"', '<', '>', '[', ']', '^', '`', '{', '|' and '}' are escaped. RFC 3986
//     does not allow them in a path, but browsers send several of them, and
//     left alone they would be a second spelling of their escapes.
//
// What is refused is listed with PathError. Controls, spaces and octets above
// 0x7E are refused, not repaired, as RFC 9112, 3 advises. %2F, %3B and the
// other reserved octets are data: escaped and bare they differ.
//
// The path is that of the request target without the query. An absolute-form
// target with an empty path is the caller's to turn into "/". The
// asterisk-form is passed through as "*"; that the method is OPTIONS is for the
// caller to check, and no route matches it.
func Normalize(dst, path []byte, opt PathOptions) ([]byte, error) {
	if normal(path, opt) {
		return path, nil
	}
	if len(path) == 0 || path[0] != '/' {
		if len(path) == 1 && path[0] == '*' {
			return path, nil
		}
		return nil, NotAbsolute
	}
	return rewrite(dst, path, opt)
}

// normal reports whether rewrite would return p unchanged.
func normal(p []byte, opt PathOptions) bool {
	if len(p) == 0 || p[0] != '/' {
		return false
	}
	look := false // there is something that may be or hide a dot segment
	for i := 0; i < len(p); i++ {
		switch octets[p[i]] {
		case unreserved, reserved:
		case slash:
			if i+1 < len(p) {
				switch p[i+1] {
				case '.':
					look = true
				case '/':
					if opt.MergeSlashes {
						return false
					}
				}
			}
		case percent:
			if i+2 >= len(p) || !upperHex(p[i+1]) || !upperHex(p[i+2]) {
				return false
			}
			c := unhex(p[i+1])<<4 | unhex(p[i+2])
			if octets[c] == unreserved || c == 0 || c == '\\' || c == '/' && opt.RejectEncodedSlash {
				return false
			}
			look = true
			i += 2
		default:
			return false
		}
	}
	return !look || !dotted(p)
}

// rewrite appends the normal form of p, which begins with '/', to dst and
// returns what it appended.
func rewrite(dst, p []byte, opt PathOptions) ([]byte, error) {
	base := len(dst)
	for i := 0; i < len(p); {
		start := len(dst)
		dst = append(dst, '/')
		i++
		for i < len(p) && p[i] != '/' {
			c := p[i]
			switch octets[c] {
			case unreserved, reserved:
				dst = append(dst, c)
				i++
			case raw:
				dst = append(dst, '%', upper[c>>4], upper[c&15])
				i++
			case percent:
				if i+2 >= len(p) || !hex(p[i+1]) || !hex(p[i+2]) {
					return nil, BadEscape
				}
				c = unhex(p[i+1])<<4 | unhex(p[i+2])
				switch {
				case c == 0:
					return nil, EncodedNUL
				case c == '\\':
					return nil, Backslash
				case c == '/' && opt.RejectEncodedSlash:
					return nil, EncodedSlash
				case octets[c] == unreserved:
					dst = append(dst, c)
				default:
					dst = append(dst, '%', upper[c>>4], upper[c&15])
				}
				i += 3
			default:
				if c == '\\' {
					return nil, Backslash
				}
				return nil, BadByte
			}
		}
		last := i == len(p)
		switch segment := dst[start+1:]; {
		case len(segment) == 0:
			if opt.MergeSlashes && !last {
				dst = dst[:start]
			}
		case string(segment) == ".":
			dst = dst[:start]
			if last {
				dst = append(dst, '/')
			}
		case string(segment) == "..":
			dst = dst[:base+max(0, bytes.LastIndexByte(dst[base:start], '/'))]
			if last {
				dst = append(dst, '/')
			}
		case dotted(segment):
			return nil, HiddenDots
		}
	}
	return dst[base:], nil
}

// HasDots reports whether a path, of which escapes are well formed, holds a segment
// that is "." or ".." to any server, however it is spelt.
func HasDots(path []byte) bool { return dotted(path) }

// dotted reports whether p, in normal form but for its dot segments, holds a
// segment that is "." or ".." as it stands or to a server that takes %2F for a
// slash, drops what follows ';', or decodes overlong UTF-8 (RFC 3629, 10).
// Overlong forms are refused here only: anywhere else their octets are also
// text in legacy encodings, and data.
func dotted(p []byte) bool {
	dots, other, params := 0, false, false
	for i := 0; i < len(p); {
		c, n := lenient(p[i:])
		i += n
		switch {
		case c == '/' || c == '\\':
			if !other && (dots == 1 || dots == 2) {
				return true
			}
			dots, other, params = 0, false, false
		case params:
		case c == ';':
			params = true
		case c == '.':
			dots++
		default:
			other = true
		}
	}
	return !other && (dots == 1 || dots == 2)
}

// lenient reads the first octet of p as the most lenient server would, and
// says how many octets of p spell it. Escapes are well formed.
func lenient(p []byte) (c byte, n int) {
	if p[0] != '%' {
		return p[0], 1
	}
	var b [4]byte
	k := 0
	for k < len(b) && len(p) >= 3*k+3 && p[3*k] == '%' {
		b[k] = unhex(p[3*k+1])<<4 | unhex(p[3*k+2])
		k++
	}
	switch {
	case k >= 2 && b[0]&^1 == 0xC0 && b[1]&0xC0 == 0x80:
		return b[0]&1<<6 | b[1]&0x3F, 6
	case k >= 3 && b[0] == 0xE0 && b[1]&^1 == 0x80 && b[2]&0xC0 == 0x80:
		return b[1]&1<<6 | b[2]&0x3F, 9
	case k >= 4 && b[0] == 0xF0 && b[1] == 0x80 && b[2]&^1 == 0x80 && b[3]&0xC0 == 0x80:
		return b[2]&1<<6 | b[3]&0x3F, 12
	}
	return b[0], 3
}

const upper = "0123456789ABCDEF"

func upperHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

func hex(c byte) bool { return upperHex(c) || 'a' <= c && c <= 'f' }

// unhex is the value of a hexadecimal digit.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// What an octet is to a path (RFC 3986, 2.2, 2.3 and 3.3).
const (
	refused    = iota // never: controls, space, '?', '#', '\', above 0x7E
	unreserved        // never needs an escape
	reserved          // may stand bare, and differs from its escape
	raw               // stands bare only by mistake, and is escaped
	slash
	percent
)

var octets = func() (t [256]uint8) {
	for c := range 128 {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9':
			t[c] = unreserved
		}
	}
	for set, kind := range map[string]uint8{
		"-._~":          unreserved,
		"!$&'()*+,;=:@": reserved,
		"\"<>[]^`{|}":   raw,
		"/":             slash,
		"%":             percent,
	} {
		for i := range len(set) {
			t[set[i]] = kind
		}
	}
	return t
}()
