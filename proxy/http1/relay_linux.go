//go:build !386 && !s390x

package http1

import (
	"io"
	"os"
	"syscall"

	"github.com/lictor/lictor/proxy/splice"
)

// relayFrom is how much of a body must be left, in bytes, for it to be worth
// having the kernel move it from socket to socket: measured.
const relayFrom = 64 << 10

// relay moves what is left of an instance's body to the client without its
// passing through here.
type relay struct {
	p    *splice.Pipe
	want int64 // bytes left to draw from the instance
	held int64 // bytes in the pipe
	err  error
	draw func(fd uintptr) bool
	pour func(fd uintptr) bool
}

// init makes the callbacks for the two sockets, of which false waits.
func (r *relay) init() {
	r.draw = func(fd uintptr) bool {
		n, e := splice.Move(int(fd), r.p.W, min(r.want, splice.Size))
		switch {
		case e == syscall.EAGAIN:
			return false
		case e != 0:
			r.err = e
		case n == 0:
			r.err = io.EOF
		default:
			r.held = n
		}
		return true
	}
	r.pour = func(fd uintptr) bool {
		for r.held > 0 {
			n, e := splice.Move(r.p.R, int(fd), r.held)
			switch {
			case e == syscall.EAGAIN:
				return false
			case e != 0:
				r.err = os.NewSyscallError("splice", e)
				return true
			}
			r.held -= n
		}
		return true
	}
}

// relayed returns the call whose body can be moved on by the kernel from here on,
// nil when there is none: the body must be the instance's own, with the length
// that the client was told, and both connections mere sockets.
func (w *responder) relayed() *call {
	k, ok := w.x.Scratch.(*call)
	if !ok || k.u == nil || !k.inBody || w.x.Response.Body != &k.body || !k.u.raw.usable() || !w.w.c.raw.usable() {
		return nil
	}
	b := &k.body
	if b.end != byLength || b.left != w.left || b.r != b.w || b.data != nil || b.err != nil {
		return nil
	}
	return k
}

// relay sends what there is, and then the rest of the instance's body. Nobody but
// it sees those bytes, so it counts them. The instance's faults are left with the
// body, where they are found next. To do nothing is always right.
func (w *responder) relay() error {
	k := w.relayed()
	if k == nil {
		return nil
	}
	pipes := &w.w.c.s.pipes
	p := pipes.Get()
	if p == nil {
		return nil
	}
	r := &w.moves
	if r.draw == nil {
		r.init()
	}
	r.p, r.held = p, 0
	defer func() {
		pipes.Put(p, r.held == 0)
		r.p = nil
	}()
	if err := w.flush(); err != nil {
		return err
	}
	b := &k.body
	for b.left > 0 {
		if err := k.drawInto(r); err != nil {
			if neverMoves(err) {
				pipes.Disable() // it can be copied still
				return nil
			}
			b.fail(err)
			return nil
		}
		drawn := r.held
		err := w.w.c.pourFrom(r)
		sent := drawn - r.held
		b.left -= sent
		w.left -= sent
		w.x.BytesOut += sent
		if err != nil {
			return w.fault(err)
		}
	}
	b.state.Store(finished) // although nobody may ask for the end
	return nil
}

// neverMoves reports whether the kernel, or what stands in for it, can't do this
// at all. Nothing has been taken from the instance then.
func neverMoves(err error) bool {
	return err == syscall.EINVAL || err == syscall.ENOSYS || err == syscall.EPERM //nolint:errorlint // errnos, stored bare
}

// drawInto is fill, into a pipe.
func (k *call) drawInto(r *relay) error {
	k.bound()
	r.want, r.err = k.body.left, nil
	for {
		if k.arm() {
			if fe := k.givesUp(); fe != nil {
				return fe
			}
		}
		err := k.u.raw.rc.Read(r.draw)
		switch {
		case err == nil && r.err == nil:
			return nil
		case err == nil && neverMoves(r.err):
			return r.err
		case err == nil && r.err == io.EOF: //nolint:errorlint // stored bare
			return k.fault(io.ErrUnexpectedEOF)
		case err == nil:
			return k.fault(os.NewSyscallError("splice", r.err))
		case !isTimeout(err):
			return k.fault(err)
		}
		k.u.readBy.lost()
		if fe := k.givesUp(); fe != nil {
			return fe
		}
	}
}

// pourFrom sends what is in the pipe. A client that takes some of it within its
// time gets as much time again for the rest, as it does for each piece that is
// copied.
func (c *conn) pourFrom(r *relay) error {
	for {
		before := r.held
		c.setWriteDeadline()
		r.err = nil
		err := c.raw.rc.Write(r.pour)
		if err == nil {
			return r.err
		}
		if !isTimeout(err) || r.held == before || c.s.closed.Load() {
			return err
		}
		c.writeBy.lost()
	}
}
