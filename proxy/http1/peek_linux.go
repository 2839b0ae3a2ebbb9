//go:build !386 && !s390x

package http1

import (
	"net"
	"syscall"
	"unsafe"
)

// socketOf returns the way to the socket below a connection, nil when there is
// none. What was read from the socket may wait in what lies over it.
func socketOf(nc net.Conn) syscall.RawConn {
	for nc != nil {
		if rc := rawConnOf(nc); rc != nil {
			return rc
		}
		over, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		nc = over.NetConn()
	}
	return nil
}

// peek looks at the next byte without waiting and without taking it: n is 0 at
// the end of the connection, and the error is EAGAIN when there is nothing to
// tell.
func peek(nc net.Conn) (n int, err error) {
	rc := socketOf(nc)
	if rc == nil {
		return -1, syscall.EAGAIN
	}
	if e := rc.Control(func(fd uintptr) { n, err = peekFD(fd) }); e != nil {
		return -1, syscall.EAGAIN // closed on our side
	}
	return n, err
}

func peekFD(fd uintptr) (int, error) {
	for {
		var b [1]byte
		n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0) //nolint:gosec // the kernel writes into b only
		switch e {
		case 0:
			return int(n), nil // at most 1
		case syscall.EINTR:
		default:
			return -1, e
		}
	}
}

const tcpCloseWait = 8 // of the kernel's enum in tcp_states.h

// peerClosed reports whether the other end has closed its direction, even if
// there are bytes in front of that.
func peerClosed(nc net.Conn) bool {
	rc := socketOf(nc)
	if rc == nil {
		return false
	}
	closed := false
	_ = rc.Control(func(fd uintptr) { // fails on a closed connection only
		var state [1]byte
		size := uint32(len(state))
		_, _, e := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&state)), uintptr(unsafe.Pointer(&size)), 0) //nolint:gosec // the kernel writes into both only
		closed = e == 0 && state[0] == tcpCloseWait
	})
	return closed
}
