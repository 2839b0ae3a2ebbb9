package http1

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// message is what a test reads off the wire: one message and what follows it.
type message struct {
	x       proxy.Exchange
	fr      framing
	head    int // length of the head
	body    string
	trailer *proxy.Fields
	n       int // length of the message
}

var errCut = errors.New("the input ends inside the message")

// readRequest reads the request that raw begins with, as a connection would
// that got it all at once.
func readRequest(raw []byte) (*message, error) {
	m := new(message)
	var s headScan
	n, err := s.skip(raw)
	if err != nil {
		return m, err
	}
	if err := whole(&s, raw[n:]); err != nil {
		return m, err
	}
	q := &m.x.Request
	if m.head, err = parseRequest(raw[n:], q, &m.fr); err != nil {
		return m, err
	}
	m.head += n
	return m, m.readBody(raw, &q.Fields)
}

// readResponse does it for a response to a request of that method.
func readResponse(raw []byte, method proxy.Method) (*message, error) {
	m := new(message)
	var s headScan
	if err := whole(&s, raw); err != nil {
		return m, err
	}
	r := &m.x.Response
	var err error
	if m.head, err = parseResponse(raw, method, r, &m.fr); err != nil {
		return m, err
	}
	return m, m.readBody(raw, &r.Fields)
}

func whole(s *headScan, b []byte) error {
	ok, err := s.whole(b, 64<<10)
	if err == nil && !ok {
		return errCut
	}
	return err
}

func (m *message) readBody(raw []byte, head *proxy.Fields) error {
	rest := raw[m.head:]
	switch m.fr.end {
	case noBody:
		m.n = m.head
	case byLength:
		if int64(len(rest)) < m.fr.length {
			return errCut
		}
		m.body, m.n = string(rest[:m.fr.length]), m.head+int(m.fr.length)
	case byClose:
		m.body, m.n = string(rest), len(raw)
	case byChunks:
		c := new(chunks)
		c.reset(head)
		body, n, err := decode(c, rest, len(rest))
		if err != nil {
			return err
		}
		m.body, m.n, m.trailer = body, m.head+n, c.Trailer()
	}
	return nil
}

// decode hands p to the decoder in pieces of at most size bytes, and returns the
// data and how many bytes the body took.
func decode(c *chunks, p []byte, size int) (string, int, error) {
	var body strings.Builder
	for at := 0; at < len(p); {
		piece := p[at:min(at+size, len(p))]
		for done := false; !done; {
			data, n, err := c.next(piece)
			body.Write(data)
			at += n
			piece = piece[n:]
			if err == io.EOF { //nolint:errorlint // next returns io.EOF itself
				return body.String(), at, nil
			}
			if err != nil {
				return body.String(), at, err
			}
			done = len(data) == 0
		}
		if len(piece) > 0 {
			return body.String(), at, fmt.Errorf("%d bytes were left although more were asked for", len(piece))
		}
	}
	return body.String(), len(p), errCut
}

// lines writes the fields that are to be forwarded, as "name=value;".
func lines(f *proxy.Fields) string {
	if f == nil {
		return ""
	}
	var s strings.Builder
	for i := range f.Len() {
		if f.Live(i) {
			fmt.Fprintf(&s, "%s=%s;", f.Name(i), f.Value(i))
		}
	}
	return s.String()
}

// status returns the status that a refusal is answered with, 0 for none.
func status(t testing.TB, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *Error", err)
	}
	return e.Problem.Status
}

// crlf lets tables be written with plain line feeds: each becomes CRLF. "␊" is a
// bare LF and "␍" a bare CR.
func crlf(s string) []byte {
	return []byte(strings.NewReplacer("\n", "\r\n", "␊", "\n", "␍", "\r").Replace(s))
}
