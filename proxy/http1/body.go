package http1

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/lictor/lictor/proxy"
)

// spaceSize is the size of a piece of a body, in bytes: measured, more gains
// little.
const spaceSize = 32 << 10

type space [spaceSize]byte

// wideSpace has room for a piece and what makes a chunk of it.
type wideSpace [spaceSize + maxChunkHead]byte

// spaces lends room to bodies while they move.
type spaces struct {
	sync.Pool
	wide sync.Pool
}

func (s *spaces) get() *space {
	if b, ok := s.Get().(*space); ok {
		return b
	}
	return new(space)
}

func (s *spaces) getWide() *wideSpace {
	if b, ok := s.wide.Get().(*wideSpace); ok {
		return b
	}
	return new(wideSpace)
}

func (s *spaces) putWide(b *wideSpace) { s.wide.Put(b) }

// source is the connection that a body comes from.
type source interface {
	// fill waits for at least one byte. io.EOF is the connection's end; any
	// other error is what Next returns.
	fill(p []byte) (int, error)
	// broken makes what Next returns out of a fault of the message.
	broken(err error) error
	// spaces is where a body that moves has its room from.
	spaces() *spaces
}

// The states of a body.
const (
	reading uint32 = iota
	finished
	failed
)

// body reads one message's body, first what came with the head, then from its
// source. It never reads into the buffer that holds the head: that stays as it is
// until the exchange is over. It implements proxy.Body.
type body struct {
	src    source
	buf    []byte // buf[r:w] was received and is not decoded
	r, w   int
	end    delimiter
	left   int64 // of a body with a length
	chunks chunks
	data   []byte // was decoded ahead, by Ready
	err    error  // what Next returns for good
	state  atomic.Uint32
	space  *space
}

// begin starts on the body whose head was parsed into fr and f, and of which
// buf[r:w] is here.
func (b *body) begin(src source, buf []byte, r, w int, fr *framing, f *proxy.Fields) {
	b.src, b.buf, b.r, b.w = src, buf, r, w
	b.end, b.left = fr.end, fr.length
	b.data, b.err = nil, nil
	b.state.Store(reading)
	if fr.end == byChunks {
		b.chunks.reset(f)
	}
}

// release gives back what the body has borrowed. What leftover returned is void
// then.
func (b *body) release() {
	if b.space != nil {
		b.src.spaces().Put(b.space)
		b.space = nil
	}
	b.src, b.buf, b.data = nil, nil, nil
}

// leftover returns what was received behind the body's end.
func (b *body) leftover() []byte { return b.buf[b.r:b.w] }

// unfinished reports whether the end has not been read. It may be asked while
// another goroutine reads.
func (b *body) unfinished() bool { return b.state.Load() != finished }

// lost reports the same of a body whose rest can't be had.
func (b *body) lost() bool { return b.state.Load() == failed }

// Next implements proxy.Body. Its errors are of type *proxy.ForwardError.
func (b *body) Next() ([]byte, error) {
	for !b.decode() {
		if err := b.more(); err != nil {
			return nil, err
		}
	}
	if d := b.data; d != nil {
		b.data = nil
		return d, nil
	}
	return nil, b.err
}

// Ready implements proxy.Body. Before an error what there is should get to the
// other side.
func (b *body) Ready() bool {
	return b.decode() && (b.data != nil || b.err == io.EOF) //nolint:errorlint // it is stored bare
}

// Trailer implements proxy.Body.
func (b *body) Trailer() *proxy.Fields {
	if b.end != byChunks || b.err != io.EOF { //nolint:errorlint // it is stored bare
		return nil
	}
	return b.chunks.Trailer()
}

// decode finds the next piece, or the end, in what has been received. It reports
// false when more is needed. It does not change the bytes lent before.
func (b *body) decode() bool {
	if b.data != nil || b.err != nil {
		return true
	}
	switch b.end {
	case byLength:
		if b.left == 0 {
			b.finish()
			return true
		}
		if b.r == b.w {
			return false
		}
		d := b.buf[b.r:b.w]
		if int64(len(d)) > b.left {
			d = d[:b.left]
		}
		b.r += len(d)
		if b.left -= int64(len(d)); b.left == 0 {
			b.state.Store(finished) // although nobody may ask for the end
		}
		b.data = d
		return true
	case byChunks:
		return b.decodeChunk()
	case byClose:
		if b.r == b.w {
			return false
		}
		b.data, b.r = b.buf[b.r:b.w], b.w
		return true
	default:
		b.finish()
		return true
	}
}

func (b *body) decodeChunk() bool {
	if b.r == b.w {
		return false
	}
	d, n, err := b.chunks.next(b.buf[b.r:b.w])
	b.r += n
	switch {
	case err == io.EOF: //nolint:errorlint // chunks.next returns io.EOF itself
		b.finish()
	case err != nil:
		b.fail(b.src.broken(err))
	case len(d) == 0:
		return false
	default:
		b.data = d
	}
	return true
}

func (b *body) finish() {
	b.err = io.EOF
	b.state.Store(finished)
}

// fail makes err what Next returns from now on.
func (b *body) fail(err error) {
	b.err = err
	b.state.Store(failed)
}

// more reads on, into room of its own. There is nothing left to decode.
func (b *body) more() error {
	if b.space == nil {
		b.space = b.src.spaces().get()
		b.buf = b.space[:]
	}
	p := b.space[:]
	if b.end == byLength && int64(len(p)) > b.left {
		p = p[:b.left] // what follows is not ours
	}
	b.r, b.w = 0, 0
	n, err := b.src.fill(p)
	switch {
	case n > 0:
		b.w = n
		return nil
	case err == io.EOF && b.end == byClose: //nolint:errorlint // fill returns io.EOF itself
		b.finish()
		return io.EOF
	case err == io.EOF: //nolint:errorlint // fill returns io.EOF itself
		b.fail(b.src.broken(io.ErrUnexpectedEOF))
	default:
		b.fail(err)
	}
	return b.err
}
