package http1

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// appendRequest appends the head of x's request as it goes to the instance
// (RFC 9112 section 3). Host comes first, then the fields as the pipeline has
// left them, then what frames the body: Content-Length when q.Length is known,
// else chunks. A request that came in by another version of HTTP may not be
// expressible; then the error is an *Error and the head must not be sent.
func appendRequest(out []byte, x *proxy.Exchange) ([]byte, error) {
	q := &x.Request
	if len(q.Path) == 0 || !isVisible(q.Path) || !isVisible(q.Query) || (q.Protocol > proxy.HTTP11 && !expressible(q)) {
		return out, errUnsendable
	}
	out = append(out, q.Method...)
	out = append(out, ' ')
	out = append(out, q.Path...)
	if q.HasQuery {
		out = append(out, '?')
		out = append(out, q.Query...)
	}
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = appendAuthority(out, x)
	out = append(out, "\r\n"...)
	f := &q.Fields
	out = f.AppendLines(out)
	switch {
	case q.WebSocket:
		out = append(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	case f.HasToken(proxy.TE, "trailers"):
		out = append(out, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	switch {
	case q.Length > 0:
		out = appendLength(out, q.Length)
	case q.Length < 0 && q.Body != nil:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		out = appendAnnounced(out, f)
	case q.Verb == proxy.MethodPost || q.Verb == proxy.MethodPut || q.Verb == proxy.MethodPatch || f.Get(proxy.ContentLength) != nil:
		out = append(out, "Content-Length: 0\r\n"...) // RFC 9110 section 8.6
	}
	return append(out, "\r\n"...), nil
}

// expressible reports whether the parts of a request that came in by another
// version of HTTP are what an HTTP/1.1 parser would have let in.
func expressible(q *proxy.Request) bool {
	return isToken(q.Method) && bytes.IndexByte(q.Query, '#') < 0 && (len(q.Host) == 0 || validHost(q.Host))
}

// appendAuthority appends the value of Host: the route's if it has one, else the
// client's, else, for an HTTP/1.0 request without Host, the instance's own.
func appendAuthority(out []byte, x *proxy.Exchange) []byte {
	switch host := x.Request.Host; {
	case x.Route != nil && x.Route.HostHeader != "":
		return append(out, x.Route.HostHeader...)
	case len(host) > 0:
		return append(out, host...)
	case x.Endpoint != nil && !strings.HasPrefix(x.Endpoint.Target(), "unix:"):
		return append(out, x.Endpoint.Target()...)
	default:
		return append(out, "localhost"...)
	}
}

func appendLength(out []byte, n int64) []byte {
	out = append(out, "Content-Length: "...)
	out = strconv.AppendInt(out, n, 10)
	return append(out, "\r\n"...)
}

// appendResponse appends the head of the final response r to q, and returns how
// its body has to be framed. date is the value of a Date field, which is added
// when the instance sent none (RFC 9110 section 6.6.1); nil for never. last
// says that the connection is to be closed afterwards, and so does the result,
// which may have to do so for a client that can't tell the end otherwise.
//
// A response without a body by its status or the request's method gets none
// whatever r says; 101 is not for this function.
func appendResponse(out []byte, q *proxy.Request, r *proxy.Response, date []byte, last bool) ([]byte, framing) {
	f := &r.Fields
	out = appendStatus(out, r.Status)
	out = f.AppendLines(out)
	if date != nil && f.Get(proxy.Date) == nil {
		out = append(out, "Date: "...)
		out = append(out, date...)
		out = append(out, "\r\n"...)
	}
	fr := framing{close: last}
	switch {
	case r.Status < 200 || r.Status == 204 || r.Status == 304:
	case q.Verb == proxy.MethodHead:
		if r.Length >= 0 {
			out = appendLength(out, r.Length)
		}
	case r.Length >= 0:
		if fr.length = r.Length; r.Length > 0 {
			fr.end = byLength
		}
		out = appendLength(out, r.Length)
	case q.Protocol >= proxy.HTTP11:
		fr.end = byChunks
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		out = appendAnnounced(out, f)
	default:
		fr.end, fr.close = byClose, true
	}
	switch {
	case fr.close:
		out = append(out, "Connection: close\r\n"...)
	case q.Protocol < proxy.HTTP11:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	return append(out, "\r\n"...), fr
}

// appendSwitch appends the 101 response that makes the connection a WebSocket
// (RFC 6455 section 4.2.2).
func appendSwitch(out []byte, f *proxy.Fields) []byte {
	out = append(out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"...)
	return append(f.AppendLines(out), "\r\n"...)
}

// appendInterim appends an informational response (RFC 9110 section 15.2). f may
// be nil.
func appendInterim(out []byte, status int, f *proxy.Fields) []byte {
	out = appendStatus(out, status)
	if f != nil {
		out = f.AppendLines(out)
	}
	return append(out, "\r\n"...)
}

// maxChunkHead is how many bytes a chunk is longer than its data, at most.
const maxChunkHead = 16 + len("\r\n") + len("\r\n")

// appendChunkHead appends what comes before n bytes of data, which must be
// followed by CRLF. n is not 0: that would be the end.
func appendChunkHead(out []byte, n int) []byte {
	out = strconv.AppendUint(out, uint64(n), 16) //nolint:gosec // a length is not negative
	return append(out, "\r\n"...)
}

// appendChunk appends data as one chunk. Without data it appends nothing.
func appendChunk(out, data []byte) []byte {
	if len(data) == 0 {
		return out
	}
	out = append(appendChunkHead(out, len(data)), data...)
	return append(out, "\r\n"...)
}

// appendLastChunk ends a chunked body, with a trailer section or nil.
func appendLastChunk(out []byte, trailer *proxy.Fields) []byte {
	out = append(out, "0\r\n"...)
	if trailer != nil {
		out = trailer.AppendLines(out)
	}
	return append(out, "\r\n"...)
}
