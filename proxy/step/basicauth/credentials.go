package basicauth

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"github.com/lictor/lictor/proxy"
)

// maxCredentials bounds a name with its password, in bytes. It is far more than
// anybody types.
const maxCredentials = 1 << 10

// state says what a request shows of credentials.
type state uint8

const (
	absent state = iota
	malformed
	present
)

// credentials are what a client shows.
type credentials struct {
	space [maxCredentials + 3]byte
	colon int // in space, between name and password
	end   int
}

func (c *credentials) name() []byte     { return c.space[:c.colon] }
func (c *credentials) password() []byte { return c.space[c.colon+1 : c.end] }

// read finds the credentials of a request. Of several Authorization fields none
// counts: each reader might take another.
func (c *credentials) read(f *proxy.Fields) state {
	first := f.Next(proxy.Authorization, 0)
	if first < 0 {
		return absent
	}
	if f.Next(proxy.Authorization, first+1) >= 0 {
		return malformed
	}
	scheme, rest, _ := bytes.Cut(f.Value(first), []byte{' '})
	if !bytes.EqualFold(scheme, []byte("basic")) {
		return absent
	}
	rest = bytes.Trim(rest, " ")
	if base64.StdEncoding.DecodedLen(len(rest)) > len(c.space) {
		return malformed
	}
	n, err := base64.StdEncoding.Strict().Decode(c.space[:], rest)
	if err != nil || bytes.ContainsAny(rest, "\r\n") {
		return malformed
	}
	colon := bytes.IndexByte(c.space[:n], ':')
	if colon < 0 || colon > maxName || controls(c.space[:n]) {
		return malformed
	}
	c.colon, c.end = colon, n
	return present
}

// controls reports whether there are control characters, or no UTF-8 at all.
func controls(s []byte) bool {
	for _, c := range s {
		if c < ' ' || c == 0x7f {
			return true
		}
	}
	return !utf8.Valid(s)
}
