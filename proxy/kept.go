package proxy

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// maxKept bounds the request body that is kept for another attempt, in bytes.
const maxKept = 64 << 10

// errBodyTooLarge ends a body whose length the head did not tell.
var errBodyTooLarge = &ForwardError{Cause: ClientBad, Sent: true, Err: errors.New("the body is larger than the route allows")}

// keptBody stands between an engine and the request's body: it counts, and it
// keeps what an idempotent request sends, so that another endpoint can be sent
// the same.
type keptBody struct {
	body    Body
	x       *Exchange
	keep    bool
	started bool
	ended   bool
	lost    bool // more was read than is kept
	replay  int  // bytes of copy already handed out again; len(copy) when live
	copy    *[]byte
	settled atomic.Bool // no other endpoint will be asked
}

// keptSpace lends the room for copies, which grows with what is kept.
var keptSpace = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// KeepBody keeps what is read of the request's body from now on, as far as that is
// affordable, although its method is not idempotent. It is for a forwarder whose
// instances can say that they have not looked at a request which they have
// received (RFC 9113 section 8.7), and does nothing once reading has begun.
func (x *Exchange) KeepBody() {
	if k := &x.kept; k.body != nil && !k.started && x.Request.Length <= maxKept {
		k.keep = true
	}
}

// Rewind makes the request's body begin at its start again, for a forwarder that
// asks the same endpoint once more, and knows that nobody reads it. It reports
// false when that can't be had.
func (x *Exchange) Rewind() bool {
	if !x.kept.whole() {
		return false
	}
	x.kept.rewind(x)
	return true
}

// wrap puts itself in front of x's body, if there is one.
func (k *keptBody) wrap(x *Exchange) {
	*k = keptBody{body: x.Request.Body, x: x}
	if k.body == nil {
		return
	}
	k.keep = x.Request.Verb.Idempotent() && x.Request.Length <= maxKept
	x.Request.Body = k
}

// whole reports whether the body can be sent from its beginning.
func (k *keptBody) whole() bool { return k.body == nil || !k.started || (k.keep && !k.lost) }

// rewind makes the next Next begin at the start again.
func (k *keptBody) rewind(x *Exchange) {
	if k.body == nil {
		return
	}
	k.replay = 0
	x.Request.Body = k
}

// drop gives the copy back: what is long under way is not kept for a retry that
// can't come any more.
func (k *keptBody) drop() {
	*k.copy = (*k.copy)[:0]
	keptSpace.Put(k.copy)
	k.copy, k.lost = nil, true
}

func (k *keptBody) release() {
	if k.copy != nil {
		k.drop()
	}
	*k = keptBody{}
}

// Next implements Body.
func (k *keptBody) Next() ([]byte, error) {
	if k.copy != nil && k.replay < len(*k.copy) {
		b := (*k.copy)[k.replay:]
		k.replay = len(*k.copy)
		return b, nil
	}
	if k.copy != nil && k.settled.Load() {
		k.drop()
	}
	if k.ended {
		return nil, io.EOF
	}
	k.started = true
	b, err := k.body.Next()
	k.x.BytesIn += int64(len(b))
	if most := k.x.Route.MaxBody; most > 0 && k.x.BytesIn > most {
		return nil, errBodyTooLarge
	}
	if err == io.EOF || k.x.BytesIn == k.x.Request.Length { //nolint:errorlint // Body.Next returns io.EOF itself
		k.ended = true // which must not be asked for: whoever did may have been broken off
	}
	if k.keep && !k.lost && len(b) > 0 {
		k.save(b)
	}
	return b, err
}

func (k *keptBody) save(b []byte) {
	if k.copy == nil {
		k.copy = keptSpace.Get().(*[]byte)
	}
	if len(*k.copy)+len(b) > maxKept {
		k.lost = true
		return
	}
	*k.copy = append(*k.copy, b...)
	k.replay = len(*k.copy)
}

// Ready implements Body.
func (k *keptBody) Ready() bool {
	return k.ended || (k.copy != nil && k.replay < len(*k.copy)) || k.body.Ready()
}

// Trailer implements Body. A field that means something to a gateway belongs in
// front of the body, where it is looked at (RFC 9110 section 6.5.1): an instance
// that merged it into the head would take the client's word for who it is.
func (k *keptBody) Trailer() *Fields {
	f := k.body.Trailer()
	if f == nil {
		return nil
	}
	for i := range f.Len() {
		if f.ID(i) != Other {
			f.Drop(i)
		}
	}
	dropLookalikes(f)
	return f
}
