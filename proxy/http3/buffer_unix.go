//go:build unix

package http3

import (
	"net"
	"syscall"
)

// receiveBuffer returns the size of the socket's receive buffer in bytes, and
// whether it could be found out.
func receiveBuffer(socket *net.UDPConn) (size int, known bool) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		var failed error
		size, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		known = failed == nil
	})
	return size, known && err == nil
}
