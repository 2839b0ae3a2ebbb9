package grpcweb

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"

	"github.com/lictor/lictor/proxy"
)

var errBase64 = errors.New("the body is not base64")

// decoder takes base64 off a request's body. It may consist of pieces that end with
// padding each. It implements proxy.Body.
type decoder struct {
	src  proxy.Body
	rest [4]byte // of a quantum that is not whole
	have int
	out  []byte
	err  error // what Next returns for good
}

// Next implements proxy.Body.
func (d *decoder) Next() ([]byte, error) {
	for d.err == nil {
		p, err := d.src.Next()
		switch {
		case err == io.EOF && d.have > 0: //nolint:errorlint // Body.Next returns io.EOF itself
			d.fail()
		case err != nil:
			d.err = err
		default:
			d.out = d.out[:0]
			if !d.take(p) {
				d.fail()
			} else if len(d.out) > 0 || len(p) == 0 {
				return d.out, nil
			}
		}
	}
	return nil, d.err
}

func (d *decoder) fail() {
	d.err = &proxy.ForwardError{Cause: proxy.ClientBad, Sent: true, Err: errBase64}
}

// take decodes p. It reports false when that can't be done.
func (d *decoder) take(p []byte) bool {
	if d.have > 0 {
		n := copy(d.rest[d.have:], p)
		d.have += n
		p = p[n:]
		if d.have < len(d.rest) {
			return true
		}
		if !d.decode(d.rest[:]) {
			return false
		}
		d.have = 0
	}
	whole := len(p) / 4 * 4
	d.have = copy(d.rest[:], p[whole:])
	p = p[:whole]
	before := len(d.out)
	if d.decode(p) {
		return true
	}
	d.out = d.out[:before]
	for ; len(p) > 0; p = p[4:] { // there is padding in the middle
		if !d.decode(p[:4]) {
			return false
		}
	}
	return true
}

func (d *decoder) decode(p []byte) (ok bool) {
	var err error
	d.out, err = base64.StdEncoding.Strict().AppendDecode(d.out, p)
	return err == nil
}

// Ready implements proxy.Body.
func (d *decoder) Ready() bool { return d.err != nil || d.src.Ready() }

// Trailer implements proxy.Body: gRPC-Web has none.
func (d *decoder) Trailer() *proxy.Fields { return nil }

// encoder puts the trailers behind the messages of an answer, and base64 around it
// all if that is asked for. It implements proxy.Body.
type encoder struct {
	src  proxy.Body // nil for an answer without messages
	text bool
	out  []byte
	last bool // out is all that is left
	done bool
}

// Next implements proxy.Body.
func (e *encoder) Next() ([]byte, error) {
	if e.done {
		return nil, io.EOF
	}
	if e.last {
		e.done = true
		return e.out, nil
	}
	p, err := e.src.Next()
	switch {
	case err == io.EOF: //nolint:errorlint // Body.Next returns io.EOF itself
		e.trailer(lines(e.src.Trailer()))
		e.done = true
		return e.out, nil
	case err != nil:
		return nil, err
	case e.text:
		e.out = base64.StdEncoding.AppendEncode(e.out[:0], p)
		return e.out, nil
	}
	return p, nil
}

// trailers marks a frame that holds no message but the trailers.
const trailers = 0x80

// trailer makes the frame that ends the answer all that is left of it.
func (e *encoder) trailer(lines []byte) {
	frame := make([]byte, 5, 5+len(lines))
	frame[0] = trailers
	binary.BigEndian.PutUint32(frame[1:], uint32(len(lines))) //nolint:gosec // a field section is bounded
	frame = append(frame, lines...)
	if e.text {
		frame = base64.StdEncoding.AppendEncode(nil, frame)
	}
	e.out, e.last = frame, true
}

// lines writes a trailer section as HTTP/1.1 does, names in lower case.
func lines(f *proxy.Fields) []byte {
	var b []byte
	if f == nil {
		return nil
	}
	for i := range f.Len() {
		if f.Live(i) {
			b = appendLine(b, f.Name(i), f.Value(i))
		}
	}
	return b
}

func appendLine(b, name, value []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	b = append(append(append(b, ": "...), value...), "\r\n"...)
	return b
}

// Ready implements proxy.Body.
func (e *encoder) Ready() bool { return e.last || e.src.Ready() }

// Trailer implements proxy.Body: it has gone before.
func (e *encoder) Trailer() *proxy.Fields { return nil }

// Unwrap returns the instance's own body, nil for an answer without one.
func (e *encoder) Unwrap() proxy.Body { return e.src }
