package http1

import "github.com/lictor/lictor/proxy"

// parseResponse reads the head of a response to a request of that method, which
// b begins with, and returns its length. b must hold all of it (see headScan)
// and may hold more. Status, Fields and Length are filled in; the fields point
// into b. An informational response is one like any other here, and 101 has to
// agree to a WebSocket. An error is of type *Error.
//
// Instances are forgiven a missing reason phrase, and a Content-Length on what
// has no body. Where the framing is in doubt they are trusted no more than
// clients: a response that is read in two ways is the next client's problem.
func parseResponse(b []byte, method proxy.Method, r *proxy.Response, fr *framing) (n int, err error) {
	protocol, status, at, err := parseStatusLine(b)
	if err != nil {
		return 0, err
	}
	r.Status = status
	f := &r.Fields
	f.Reset(b)
	n, m, err := parseFields(b, at, f)
	if err != nil {
		return 0, err
	}
	length, err := fr.delimit(f, m, protocol)
	if err != nil {
		return 0, err
	}
	if err := fr.persist(f, m, protocol); err != nil {
		return 0, err
	}
	fr.expect, fr.upgrade = false, status == 101 && switches(f, m)
	r.Length, err = fr.answer(method, status, length)
	return n, err
}

// answer applies the rules for responses of RFC 9112 section 6.3 to what delimit
// has found. It returns the length of the body for the pipeline: for HEAD that
// of the body that GET would have.
func (fr *framing) answer(method proxy.Method, status int, length int64) (int64, error) {
	switch {
	case status < 200: // rule 1
		if fr.end != noBody {
			return 0, errInterimBody // where the final response begins is anybody's guess
		}
		if status == 101 && !fr.upgrade {
			return 0, errSwitch
		}
		return 0, nil
	case status == 204:
		// A body that must not be there is not read; its bytes are lost with
		// the connection.
		fr.close = fr.close || fr.end != noBody
		fr.end, fr.length = noBody, 0
		return 0, nil
	case status == 304 || method == proxy.MethodHead:
		fr.end, fr.length = noBody, 0
		return length, nil
	case method == proxy.MethodConnect && status < 300: // rule 2
		fr.end, fr.length, fr.close = noBody, 0, true
		return 0, nil
	case fr.end == noBody && length == proxy.Unknown: // rule 8
		fr.end, fr.close = byClose, true
	}
	return length, nil
}

// parseStatusLine reads version and status (RFC 9112 section 4) and returns
// where the field lines begin. The reason phrase is looked through and dropped.
// A status outside of 100 to 599 is invalid (RFC 9110 section 15).
func parseStatusLine(b []byte) (p proxy.Protocol, status, at int, err error) {
	if len(b) < len("HTTP/1.1 200\r\n") {
		return 0, 0, 0, errStatusLine
	}
	switch string(b[:len("HTTP/1.1 ")]) {
	case "HTTP/1.1 ":
		p = proxy.HTTP11
	case "HTTP/1.0 ":
		p = proxy.HTTP10
	default:
		return 0, 0, 0, errStatusLine
	}
	hundreds, tens, ones := b[9]-'0', b[10]-'0', b[11]-'0'
	if hundreds < 1 || hundreds > 5 || tens > 9 || ones > 9 || (b[12] != ' ' && b[12] != '\r') {
		return 0, 0, 0, errStatusLine
	}
	e := textEnd(b, 12)
	if e+1 >= len(b) {
		return 0, 0, 0, errIncomplete
	}
	if b[e] != '\r' || b[e+1] != '\n' {
		return 0, 0, 0, octetFault(b[e])
	}
	return p, int(hundreds)*100 + int(tens)*10 + int(ones), e + 2, nil
}
