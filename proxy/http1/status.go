package http1

import (
	"net/http"
	"strconv"
)

// statusLines holds the first line for every valid status, from 100 on. What
// has no reason phrase keeps the space before it (RFC 9112 section 4).
var statusLines = func() (l [500]string) {
	for i := range l {
		l[i] = "HTTP/1.1 " + strconv.Itoa(100+i) + " " + http.StatusText(100+i) + "\r\n"
	}
	return l
}()

// appendStatus appends a status line. A status of more or less than three
// digits, which no engine lets in, becomes 500.
func appendStatus(out []byte, status int) []byte {
	if i := status - 100; i >= 0 && i < len(statusLines) {
		return append(out, statusLines[i]...)
	}
	if status < 600 || status > 999 {
		return append(out, statusLines[500-100]...)
	}
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	return append(out, " \r\n"...)
}

// appendRefusal appends a whole answer to a message that could not be read, and
// after which the connection is closed. It says what a problem document of the
// pipeline says (RFC 9457), with the fault as its detail. requestID and date may
// be nil.
func appendRefusal(out []byte, e *Error, requestID, date []byte) []byte {
	p := e.Problem
	const (
		kind   = `{"type":"urn:lictor:problem:`
		title  = `","title":"`
		status = `","status":`
		detail = `,"detail":"`
		id     = `","request_id":"`
		end    = "\"}\n"
	)
	n := len(kind) + len(p.Name) + len(title) + len(p.Title) + len(status) + 3 + len(detail) + len(e.reason) + len(end)
	if requestID != nil {
		n += len(id) + len(requestID)
	}
	out = appendStatus(out, p.Status)
	out = append(out, "Content-Type: application/problem+json\r\nProxy-Status: lictor; error="...)
	out = append(out, p.ProxyError...)
	out = append(out, "\r\n"...)
	if requestID != nil {
		out = append(append(append(out, "X-Request-Id: "...), requestID...), "\r\n"...)
	}
	if date != nil {
		out = append(append(append(out, "Date: "...), date...), "\r\n"...)
	}
	out = append(appendLength(out, int64(n)), "Connection: close\r\n\r\n"...)
	out = append(append(append(out, kind...), p.Name...), title...)
	out = append(append(out, p.Title...), status...)
	out = append(strconv.AppendInt(out, int64(p.Status), 10), detail...)
	out = append(out, e.reason...)
	if requestID != nil {
		out = append(append(out, id...), requestID...)
	}
	return append(out, end...)
}
