//go:build !linux || 386 || s390x

package http1

import (
	"net"
	"syscall"
)

// rawServer is the short way to a client's socket, which this system does not
// have.
type rawServer struct{}

func (r *rawServer) init(*conn) {}

func (r *rawServer) usable() bool { return false }

func (r *rawServer) loop() {}

func (r *rawServer) write(p []byte) ([]byte, error) { return p, nil }

// peek can tell nothing.
func peek(net.Conn) (int, error) { return -1, syscall.EAGAIN }

func peerClosed(net.Conn) bool { return false }
