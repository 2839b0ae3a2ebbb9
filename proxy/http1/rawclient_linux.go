package http1

import "syscall"

// rawClient is the short way to an instance's socket.
type rawClient struct {
	rc   syscall.RawConn // nil when there is none
	look func(fd uintptr)
	err  error
}

func (r *rawClient) init(u *upConn) {
	r.rc = rawConnOf(u.nc)
	r.look = func(fd uintptr) { _, r.err = peekFD(fd) }
}

func (r *rawClient) read(u *upConn, p []byte) (int, error) { return u.nc.Read(p) }

// quiet reports whether an idle connection may be used again: neither has it
// been closed, nor has the instance said anything. What it said would be taken
// for the answer to somebody's request.
func (r *rawClient) quiet(*upConn) bool {
	return r.rc != nil && r.rc.Control(r.look) == nil && r.err == syscall.EAGAIN //nolint:errorlint // an errno
}
