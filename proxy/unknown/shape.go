package unknown

// Bounds of what is kept of a host and a path, in bytes.
const (
	maxHost = 64
	maxPath = 160
)

// What stands for a segment.
const (
	number = "{n}"
	id     = "{id}"
)

// appendShape appends a path with a word in place of each segment that looks
// like a number or an id, cut off at the last segment that has room.
func appendShape(b, path []byte) []byte {
	from := len(b)
	for len(path) > 0 {
		end := 1 // path begins with a slash, or is "*"
		for end < len(path) && path[end] != '/' {
			end++
		}
		segment := path[:end]
		if segment[0] == '/' {
			segment = segment[1:]
		}
		shape := shapeOf(segment)
		n := len(shape)
		if shape == "" {
			n = len(segment)
		}
		if len(b)-from+1+n > maxPath {
			return append(b, "/..."...)
		}
		if path[0] == '/' {
			b = append(b, '/')
		}
		if shape != "" {
			b = append(b, shape...)
		} else {
			b = append(b, segment...)
		}
		path = path[end:]
	}
	return b
}

// longest is the length of the longest segment that is taken for a word.
const longest = 40

// shapeOf returns what stands for a segment, empty for one that stands for itself.
// Whatever is long, holds an @, or mixes many digits with letters may be
// somebody's name or secret.
func shapeOf(s []byte) string {
	digits, letters, hex := 0, 0, 0
	for _, c := range s {
		switch {
		case '0' <= c && c <= '9':
			digits++
			hex++
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			letters++
			if c|0x20 <= 'f' {
				hex++
			}
		case c == '-':
			hex++
		case c == '@', c == '%':
			return id
		}
	}
	switch {
	case len(s) == 0:
		return ""
	case digits == len(s):
		return number
	case len(s) > longest:
		return id
	case hex == len(s) && digits > 0 && len(s) >= 8: // 3f2a9c01, a UUID
		return id
	case digits >= 4 && letters > 0 && digits*4 >= len(s): // ord-20260014, k3J9x2Pq81
		return id
	}
	return ""
}
