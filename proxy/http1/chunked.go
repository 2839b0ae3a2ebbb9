package http1

import (
	"bytes"
	"io"
	"math"

	"github.com/lictor/lictor/proxy"
)

// Bounds on what a chunked body holds besides data, in bytes.
const (
	maxTrailer   = 8 << 10
	maxExtension = 2 << 10 // more than the data that came since; see chunks.excess
)

// chunkState is the place in the grammar of RFC 9112 section 7.1 that a decoder
// has come to. The names say what is behind it.
type chunkState uint8

const (
	sizeDigits   chunkState = iota // maybe none yet
	extGap                         // white space behind an extension: only ";" ends it
	extNameGap                     // ";" and maybe white space
	extName                        // some of a name
	extEqualsGap                   // a name and white space
	extValueGap                    // "=" and maybe white space
	extToken                       // some of an unquoted value
	extQuoted                      // a quote and maybe some of the value
	extEscape                      // a backslash in it
	extQuotedEnd                   // the closing quote
	lineLF                         // the CR of a line of a size
	chunkData                      // some of the data
	dataCR                         // all of the data
	dataLF                         // its CR
	trailerLines                   // the last chunk
	chunksDone                     // everything
)

// chunks decodes a chunked body while it arrives. It takes every byte that it is
// given, up to the body's last one, so the caller need not keep any. It must be
// reset before each body.
type chunks struct {
	state  chunkState
	digits uint8
	left   int64 // of the chunk
	// excess is by how much extensions outweigh data so far. A stream of
	// small chunks is legitimate; one of large extensions wastes our time.
	excess int64

	head     *proxy.Fields // of the same message
	section  []byte        // the trailer section so far
	line     int           // where its last line begins
	trailer  proxy.Fields
	section0 [256]byte
}

// reset makes the decoder ready for the body of the message with that head,
// whose Connection field speaks for the trailer section too.
func (c *chunks) reset(head *proxy.Fields) {
	if c.section == nil {
		c.section = c.section0[:0]
	}
	c.state, c.digits, c.left, c.excess = sizeDigits, 0, 0, 0
	c.head, c.section, c.line = head, c.section[:0], 0
}

// next decodes p, the bytes that follow those that were decoded so far. It
// returns the next data, as a part of p, and how many bytes of p are done with.
// Without data and error, all of p is done with and more bytes are needed.
// io.EOF says that the body has ended with the n bytes; what follows is another
// message. Any other error is of type *Error, and final.
func (c *chunks) next(p []byte) (data []byte, n int, err error) {
	for n < len(p) {
		switch c.state {
		case chunkData:
			data = p[n:]
			if int64(len(data)) >= c.left {
				data = data[:c.left]
				c.state = dataCR
			}
			c.left -= int64(len(data))
			return data, n + len(data), nil
		case trailerLines:
			taken, err := c.collect(p[n:])
			return nil, n + taken, err
		case chunksDone:
			return nil, n, io.EOF
		default:
			if err := c.step(p[n]); err != nil {
				return nil, n, err
			}
			n++
		}
	}
	return nil, n, nil
}

// step takes one byte of what surrounds the data.
func (c *chunks) step(b byte) error {
	switch c.state {
	case sizeDigits:
		return c.size(b)
	case lineLF:
		if b != '\n' {
			return errBareCR
		}
		c.digits = 0
		if c.state = chunkData; c.left == 0 {
			c.state = trailerLines
		}
		c.excess = max(0, c.excess-c.left)
		return nil
	case dataCR:
		if b != '\r' {
			return errChunkEnd
		}
		c.state = dataLF
		return nil
	case dataLF:
		if b != '\n' {
			return errChunkEnd
		}
		c.state = sizeDigits
		return nil
	default:
		return c.extension(b)
	}
}

// size takes a byte of a chunk's size, or the one that ends it. A size has at
// most 16 digits, leading zeros counted.
func (c *chunks) size(b byte) error {
	if d := hexDigits[b]; d != 0xff {
		if c.digits == 16 {
			return errChunkSize
		}
		if c.left > math.MaxInt64>>4 {
			return errChunkTooLarge
		}
		c.digits++
		c.left = c.left<<4 | int64(d)
		return nil
	}
	if c.digits == 0 {
		return errChunkSize
	}
	switch b {
	case '\r':
		c.state = lineLF
	case ';':
		c.state = extGap
		return c.extension(b)
	case '\n':
		return errBareLF
	default:
		return errChunkSize
	}
	return nil
}

// extension takes a byte of chunk-ext (RFC 9112 section 7.1.1). White space is
// taken where the grammar has BWS, so a line never ends with it; but not behind
// the size, where others read it as part of a number, or as the number's end.
// What an extension means is ignored, and it is not passed on.
func (c *chunks) extension(b byte) error {
	if c.excess++; c.excess > maxExtension {
		return errChunkExcess
	}
	o := octets[b]
	switch c.state {
	case extGap:
		switch {
		case b == ';':
			c.state = extNameGap
			return nil
		case o&blank != 0:
			return nil
		}
	case extNameGap:
		switch {
		case o&tchar != 0:
			c.state = extName
			return nil
		case o&blank != 0:
			return nil
		}
	case extName, extEqualsGap:
		switch {
		case b == '=':
			c.state = extValueGap
			return nil
		case o&blank != 0:
			c.state = extEqualsGap
			return nil
		case o&tchar != 0 && c.state == extName:
			return nil
		case b == '\r' && c.state == extName:
			c.state = lineLF
			return nil
		case b == ';':
			c.state = extNameGap
			return nil
		}
	case extValueGap:
		switch {
		case b == '"':
			c.state = extQuoted
			return nil
		case o&tchar != 0:
			c.state = extToken
			return nil
		case o&blank != 0:
			return nil
		}
	case extToken, extQuotedEnd:
		switch {
		case o&tchar != 0 && c.state == extToken:
			return nil
		case b == '\r':
			c.state = lineLF
			return nil
		case b == ';':
			c.state = extNameGap
			return nil
		case o&blank != 0:
			c.state = extGap
			return nil
		}
	case extQuoted:
		switch {
		case b == '"':
			c.state = extQuotedEnd
			return nil
		case b == '\\':
			c.state = extEscape
			return nil
		case o&quotable != 0:
			return nil
		}
	case extEscape:
		if o&textual != 0 {
			c.state = extQuoted
			return nil
		}
	}
	if b == '\n' {
		return errBareLF
	}
	return errChunkExtension
}

// collect takes bytes of the trailer section (RFC 9112 section 7.1.2) and
// returns how many, and io.EOF when they end it.
func (c *chunks) collect(p []byte) (n int, err error) {
	for n < len(p) {
		end := bytes.IndexByte(p[n:], '\n') + 1
		piece := p[n:]
		if end > 0 {
			piece = piece[:end]
		}
		if len(c.section)+len(piece) > maxTrailer {
			return n, errTrailerLarge
		}
		c.section = append(c.section, piece...)
		n += len(piece)
		if end == 0 {
			return n, nil
		}
		line := c.section[c.line:]
		c.line = len(c.section)
		switch {
		case len(line) < 2 || line[len(line)-2] != '\r':
			return n, errBareLF
		case len(line) == 2:
			if len(c.section) > 2 {
				if err := c.parseTrailer(); err != nil {
					return n, err
				}
			}
			c.state = chunksDone
			return n, io.EOF
		}
	}
	return n, nil
}

// parseTrailer reads the whole section and drops what has no place there.
func (c *chunks) parseTrailer() error {
	f := &c.trailer
	f.Reset(c.section)
	if _, _, err := parseFields(c.section, 0, f); err != nil {
		return err
	}
	for i := range f.Len() {
		if name := f.Name(i); !mayTrail(name) || nominated(c.head, name) {
			f.Drop(i)
		}
	}
	return nil
}

// Trailer returns the trailer section once next has returned io.EOF, nil when
// there was none. It is the decoder's until the next reset.
func (c *chunks) Trailer() *proxy.Fields {
	if c.state != chunksDone || len(c.section) <= 2 {
		return nil
	}
	return &c.trailer
}
