package simulate

import (
	"errors"
	"net/netip"
	"time"
)

// Request is one request as a log tells of it. Its texts are parts of the text of
// the log.
type Request struct {
	// Start is when the request began, or what comes closest to that, since the Unix
	// epoch.
	Start time.Duration
	// Took is how long it lasted; negative when the log doesn't say.
	Took   time.Duration
	Client netip.Addr
	Status int
	// BytesIn is the length of its body; negative when the log doesn't say.
	BytesIn int64

	Method, Host, Path, Query []byte
	HasQuery, TLS             bool
	// UserAgent and Referer are empty where a request had none, or none is told.
	UserAgent, Referer []byte
}

// Holds says what a log tells beyond what every log does: time, client, method,
// path and query.
type Holds struct {
	// Host, Duration, Bytes and Agent are the host that was asked for, how long
	// requests took, the length of their bodies, and the fields User-Agent and Referer.
	Host, Duration, Bytes, Agent bool
	// Instant says that moments are finer than a second.
	Instant bool
}

// Format is the look of a log.
type Format struct {
	// Name is what -format calls it.
	Name  string
	Holds Holds
	// Parse reads one line, without its end. What it finds are parts of the line
	// or, where that is escaped, of what it appends to space and returns.
	parse func(line []byte, r *Request, space []byte) ([]byte, error)
}

// Formats are the formats that can be read. The first that fits is taken where
// nobody says.
func Formats() []Format {
	return []Format{
		{Name: "json", Holds: Holds{Host: true, Duration: true, Bytes: true, Agent: true, Instant: true}, parse: parseJSON},
		{Name: "combined", Holds: Holds{Agent: true}, parse: parseCombined},
		{Name: "common", parse: parseCommon},
		{Name: "fabio", parse: parseCommon},
	}
}

// Lookup finds a format by its name.
func Lookup(name string) (Format, bool) {
	for _, f := range Formats() {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

// What may be wrong with a line.
var (
	errNotJSON   = errors.New("not an object of JSON")
	errMissing   = errors.New("time, client, method or path is missing")
	errPassage   = errors.New("it is of a connection, not of a request")
	errTime      = errors.New("the time can't be read")
	errClient    = errors.New("the client is not an address")
	errRequest   = errors.New("the request line is not one")
	errStatus    = errors.New("the status is not a number")
	errNumber    = errors.New("a number can't be read")
	errCut       = errors.New("the line ends too early")
	errMore      = errors.New("the line goes on where it should end")
	errNoAgent   = errors.New("referer or user agent is missing")
	errLong      = errors.New("the line is too long")
	errNoFormat  = errors.New("no line of the beginning is in a known format: say which it is")
	errNotWanted = errors.New("there is no such format")
)

// parseAddr reads an address. IPv4 is never mapped into IPv6.
func parseAddr(b []byte) (netip.Addr, error) {
	if a, ok := parseIPv4(b); ok {
		return a, nil
	}
	if len(b) > 64 {
		return netip.Addr{}, errClient
	}
	a, err := netip.ParseAddr(string(b))
	if err != nil {
		return netip.Addr{}, errClient
	}
	return a.Unmap().WithZone(""), nil
}

// parseIPv4 is the quick way to read what most addresses are.
func parseIPv4(b []byte) (netip.Addr, bool) {
	var four [4]byte
	n, v, digits := 0, uint(0), 0
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9' && digits < 3 && (digits == 0 || v > 0):
			v, digits = v*10+uint(c-'0'), digits+1
		case c == '.' && digits > 0 && n < 3 && v <= 255:
			four[n] = byte(v & 0xff)
			n, v, digits = n+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if n != 3 || digits == 0 || v > 255 {
		return netip.Addr{}, false
	}
	four[3] = byte(v & 0xff)
	return netip.AddrFrom4(four), true
}
