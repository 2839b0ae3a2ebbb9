//go:build !386 && !s390x

package http1

import (
	"net"
	"os"
	"syscall"
	"unsafe"
)

// This file is the short way to sockets. A net.Conn first reads and only then
// waits, so that each wait costs a read which finds nothing. RawConn.Read leaves
// that to its callback: returning false waits, for what comes after the last
// wait. So a callback that has read less than there was room for can wait at
// once.
//
// The callback holds the connection's read lock. Reading from it by other means
// there waits for ever, and so does closing it, from wherever; writing, looking
// at the next byte and moving deadlines are fine. Whoever serves within the
// callback must therefore leave it before a body is read.

// rawServer serves a client's requests within one long-lived callback. It is
// used by the connection's goroutine.
type rawServer struct {
	c       *conn
	rc      syscall.RawConn // nil when there is no short way
	fd      uintptr         // valid within the callback; 0 elsewhere
	outcome verdict
	fn      func(fd uintptr) bool
}

func (r *rawServer) init(c *conn) {
	if c.secure {
		return
	}
	r.c, r.rc, r.fn = c, rawConnOf(c.nc), r.ready
}

func (r *rawServer) usable() bool { return r.rc != nil }

// loop is conn.loop.
func (r *rawServer) loop() {
	c := r.c
	for {
		r.outcome = more
		err := r.rc.Read(r.fn)
		switch {
		case r.outcome == outside:
			if c.serveBuffered(false) == last {
				return
			}
		case r.outcome == last:
			return
		case err != nil && !c.goesOn(err):
			return
		}
		c.arm()
	}
}

// ready reads and serves for as long as there is something to read. False waits.
func (r *rawServer) ready(fd uintptr) bool {
	r.fd = fd
	defer r.leave()
	c := r.c
	for {
		c.lend()
		w := c.w
		w.makeRoom(c.s.o.MaxHeaderBytes)
		p := w.in[w.n:]
		n, e := readFD(fd, p)
		switch {
		case e == syscall.EAGAIN:
			c.rest()
			return false
		case e != 0 || n == 0:
			r.outcome = last
			return true
		}
		w.n += n
		if r.outcome = c.serveBuffered(true); r.outcome != more {
			return true
		}
		if n < len(p) {
			c.arm()
			c.rest()
			return false
		}
	}
}

func (r *rawServer) leave() { r.fd = 0 }

// write sends as much of p as the kernel takes, and returns the rest.
func (r *rawServer) write(p []byte) ([]byte, error) {
	if r.fd == 0 {
		return p, nil
	}
	return writeFD(r.fd, p)
}

// writeFD writes as much of p as the kernel takes, and returns the rest. To send
// is cheaper than to write, and raises no signal when nobody reads any more.
func writeFD(fd uintptr, p []byte) ([]byte, error) {
	for len(p) > 0 {
		n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT, 0, 0) //nolint:gosec // the kernel reads p only
		switch e {
		case 0:
			p = p[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			return p, nil
		default:
			return p, os.NewSyscallError("write", e)
		}
	}
	return nil, nil
}

func readFD(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_DONTWAIT, 0, 0) //nolint:gosec // the kernel writes into p only
		if e != syscall.EINTR {
			return int(n), e // at most len(p) when there is no error
		}
	}
}

// rawConnOf returns the way to the socket of a plain connection, nil for any
// other, which may have bytes of its own.
func rawConnOf(nc net.Conn) syscall.RawConn {
	var sc syscall.Conn
	switch t := nc.(type) {
	case *net.TCPConn:
		sc = t
	case *net.UnixConn:
		sc = t
	default:
		return nil
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return rc
}
