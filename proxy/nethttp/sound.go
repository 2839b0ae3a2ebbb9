package nethttp

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

var (
	errHosts    = errors.New("the Host field contradicts :authority")
	errLength   = errors.New("Content-Length is not the body's length")
	errPath     = errors.New(":path is no path")
	errProtocol = errors.New(":protocol without CONNECT")
)

// unsound returns what is malformed in a request of HTTP/2 (RFC 9113 section 8.1.1)
// that net/http lets through, nil if nothing is. A Host field that says what
// :authority says is taken away.
func unsound(r *http.Request) error {
	if r.ProtoMajor < 2 {
		return nil
	}
	if hosts, ok := r.Header["Host"]; ok {
		if len(hosts) != 1 || !strings.EqualFold(hosts[0], r.Host) {
			return errHosts
		}
		delete(r.Header, "Host")
	}
	for _, text := range r.Header["Content-Length"] { // net/http reads the first, and makes 0 of what it can't
		if n, err := strconv.ParseUint(text, 10, 63); err != nil || int64(n) != r.ContentLength {
			return errLength
		}
	}
	if _, ok := r.Header[protocolField]; ok && r.Method != http.MethodConnect {
		return errProtocol
	}
	if !strings.HasPrefix(r.RequestURI, "/") && r.Method != http.MethodConnect && (r.RequestURI != "*" || r.Method != http.MethodOptions) {
		return errPath
	}
	return nil
}

// protocolField is where net/http puts the pseudo-field of RFC 8441 section 4.
const protocolField = ":protocol"
