package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

// The ports that are handed out lie below those that systems give to connections and
// to who listens on port 0, which are from 32768 on Linux and from 49152 elsewhere.
const (
	lowestPort = 12000
	portCount  = 20000
)

// next is counted on by each port that is looked at, from anywhere, so that nobody is
// given what somebody else has not begun to use yet.
var next = sync.OnceValue(func() *atomic.Uint32 {
	n := new(atomic.Uint32)
	n.Store(rand.Uint32N(portCount))
	return n
})

// FreePorts returns n different ports on 127.0.0.1 that were free for TCP and UDP a
// moment ago. It gives them to nobody else in this program, and the system gives them
// to nobody who does not name them; another program may: who starts one on them
// tries again with new ones.
func FreePorts(n int) ([]int, error) {
	var ports []int
	for range 1000 + n {
		if len(ports) == n {
			return ports, nil
		}
		if port := lowestPort + int(next().Add(1)%portCount); isFree(port) {
			ports = append(ports, port)
		}
	}
	return nil, fmt.Errorf("finding %d free ports: only %d found", n, len(ports))
}

// isFree reports whether a port is free for TCP and UDP.
func isFree(port int) bool {
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return false
	}
	defer func() { _ = tcp.Close() }()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return false
	}
	defer func() { _ = udp.Close() }()
	return true
}

// PortOr returns the preferred port when it is not 0 and is free for TCP on
// 127.0.0.1, and otherwise the given one.
func PortOr(preferred, otherwise int) int {
	if preferred == 0 {
		return otherwise
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: preferred})
	if err != nil {
		return otherwise
	}
	_ = listener.Close()
	return preferred
}
