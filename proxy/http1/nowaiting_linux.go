//go:build !386 && !s390x

package http1

import (
	"io"
	"net"
	"os"
	"syscall"
)

// nowaiting reads and writes what a socket has, or takes, without waiting. It is
// used by whoever holds the connection.
type nowaiting struct {
	rc    syscall.RawConn // nil when there is none
	p     []byte
	n     int
	errno syscall.Errno
	err   error
	in    func(fd uintptr)
	out   func(fd uintptr)
}

func (s *nowaiting) init(nc net.Conn) {
	s.rc = rawConnOf(nc)
	s.in = func(fd uintptr) { s.n, s.errno = readFD(fd, s.p) }
	s.out = func(fd uintptr) {
		var rest []byte
		rest, s.err = writeFD(fd, s.p)
		s.n = len(s.p) - len(rest)
	}
}

// read returns os.ErrDeadlineExceeded when there is nothing.
func (s *nowaiting) read(p []byte) (int, error) {
	if s.rc == nil {
		return 0, net.ErrClosed
	}
	s.p = p
	err := s.rc.Control(s.in)
	s.p = nil
	switch {
	case err != nil:
		return 0, err
	case s.errno == syscall.EAGAIN:
		return 0, os.ErrDeadlineExceeded
	case s.errno != 0:
		return 0, os.NewSyscallError("read", s.errno)
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

// write returns os.ErrDeadlineExceeded when the socket does not take all.
func (s *nowaiting) write(p []byte) (int, error) {
	if s.rc == nil {
		return 0, net.ErrClosed
	}
	s.p = p
	err := s.rc.Control(s.out)
	s.p = nil
	switch {
	case err != nil:
		return 0, err
	case s.err != nil:
		return s.n, s.err
	case s.n < len(p):
		return s.n, os.ErrDeadlineExceeded
	}
	return s.n, nil
}
