package compress

import (
	"fmt"
	"io"

	"github.com/lictor/lictor/proxy"
)

// enough is how many coded bytes are gathered before they go on, unless the
// instance has nothing more at present.
const enough = 16 << 10

// maxKept is how much room for coded bytes is kept with an encoder.
const maxKept = 64 << 10

// body is an instance's body as it is coded. It lives in a pool, with its encoder.
// It implements proxy.Body.
type body struct {
	src  proxy.Body
	step *Step
	at   Coding
	enc  encoder
	out  []byte // coded, and lent by the last Next
	err  error  // what Next returns for good
	// live says that the instance has not told the length, so that each piece may
	// be all there is for a while.
	live   bool
	unsent bool // the encoder has something that a flush would bring out
}

// Write implements io.Writer, for the encoder.
func (b *body) Write(p []byte) (int, error) {
	b.out = append(b.out, p...)
	return len(p), nil
}

// Next implements proxy.Body. Before it would wait for the instance it returns
// what there is, if only to let that be sent.
func (b *body) Next() ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	b.out = b.out[:0]
	for first := true; len(b.out) < enough; first = false {
		if (!first || b.live && b.unsent) && !b.src.Ready() {
			return b.out, b.flush()
		}
		p, err := b.src.Next()
		if err != nil {
			return b.ended(err)
		}
		if len(p) == 0 {
			continue
		}
		b.unsent = true
		if _, err := b.enc.Write(p); err != nil {
			return nil, b.fail(err)
		}
	}
	return b.out, nil
}

// flush brings out what the encoder holds of a live body.
func (b *body) flush() error {
	if !b.live || !b.unsent {
		return nil
	}
	b.unsent = false
	if err := b.enc.Flush(); err != nil {
		return b.fail(err)
	}
	return nil
}

// ended makes what the instance's body ended with the end of this one. What came
// before a failure gets to the client, without what would end the coding well.
func (b *body) ended(err error) ([]byte, error) {
	b.err = err
	var more error
	if err == io.EOF { //nolint:errorlint // Body.Next returns io.EOF itself
		more = b.enc.Close()
	} else if b.unsent {
		more = b.enc.Flush()
	}
	b.unsent = false
	switch {
	case more != nil:
		return nil, b.fail(more)
	case len(b.out) > 0:
		return b.out, nil
	}
	return nil, b.err
}

// Ready implements proxy.Body.
func (b *body) Ready() bool {
	switch {
	case b.err != nil:
		return b.err == io.EOF //nolint:errorlint // it is stored bare
	case b.live && b.unsent:
		return true
	}
	return b.src.Ready()
}

// Trailer implements proxy.Body.
func (b *body) Trailer() *proxy.Fields { return b.src.Trailer() }

// Unwrap returns the instance's body.
func (b *body) Unwrap() proxy.Body { return b.src }

// Release implements proxy.Releaser.
func (b *body) Release() {
	if b.src == nil {
		return
	}
	b.src, b.err = nil, nil
	if cap(b.out) > maxKept {
		b.out = nil
	}
	b.step.give(b)
}

// fail makes a fault of the encoder the end.
func (b *body) fail(err error) error {
	b.err = fmt.Errorf("compressing by %s: %w", b.at, err)
	return b.err
}
