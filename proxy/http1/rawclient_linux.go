//go:build !386 && !s390x

package http1

import (
	"io"
	"os"
	"syscall"
)

// rawClient is the short way to an instance's socket. It is used by whoever
// holds the connection.
type rawClient struct {
	rc   syscall.RawConn // nil when there is none
	look func(fd uintptr)
	fn   func(fd uintptr) bool

	out, in []byte // to be written, and room for the answer
	begun   bool   // some of out was written
	n       int    // bytes of the answer
	err     error
}

func (r *rawClient) init(u *upConn) {
	r.rc = rawConnOf(u.nc)
	r.look = func(fd uintptr) { _, r.err = peekFD(fd) }
	r.fn = r.step
}

func (r *rawClient) usable() bool { return r.rc != nil }

// quiet reports whether an idle connection may be used again: neither has it
// been closed, nor has the instance said anything. What it said would be taken
// for the answer to somebody's request.
func (r *rawClient) quiet() bool {
	return r.rc != nil && r.rc.Control(r.look) == nil && r.err == syscall.EAGAIN //nolint:errorlint // an errno
}

// begin prepares step.
func (r *rawClient) begin(out, in []byte) {
	r.out, r.in, r.begun, r.n, r.err = out, in, false, 0, nil
}

// swap writes what begin was given, and waits for the first bytes of the answer.
// After a deadline it can be called again, to go on where it was. When it returns
// neither bytes nor an error, the kernel did not take all of out.
func (r *rawClient) swap() (n int, err error) {
	if err := r.rc.Read(r.fn); err != nil {
		return 0, err
	}
	return r.n, r.err
}

// step is the callback. It must be quick about waiting once all is written: what
// wakes it came after it had been entered.
func (r *rawClient) step(fd uintptr) bool {
	if len(r.out) > 0 {
		before := len(r.out)
		r.out, r.err = writeFD(fd, r.out)
		r.begun = r.begun || len(r.out) < before
		return r.err != nil || len(r.out) > 0
	}
	n, e := readFD(fd, r.in)
	switch {
	case e == syscall.EAGAIN:
		return false
	case e != 0:
		r.err = os.NewSyscallError("read", e)
	case n == 0:
		r.err = io.EOF
	default:
		r.n = n
	}
	return true
}
