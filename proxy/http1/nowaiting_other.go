//go:build !linux || 386 || s390x

package http1

import "net"

// nowaiting can't be had on this system: no connection is used twice, and none
// is told of its end.
type nowaiting struct{}

func (s *nowaiting) init(net.Conn) {}

func (s *nowaiting) read([]byte) (int, error) { return 0, net.ErrClosed }

func (s *nowaiting) write([]byte) (int, error) { return 0, net.ErrClosed }
