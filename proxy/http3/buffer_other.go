//go:build !unix

package http3

import "net"

// receiveBuffer knows nothing of this system.
func receiveBuffer(*net.UDPConn) (size int, known bool) { return 0, false }
