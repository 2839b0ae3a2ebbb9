package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// The ports that FreePorts gives out lie below those of which systems choose for a
// connection, or for who listens on port 0 (from 32768 on for Linux, from 49152 on
// for most others): nobody gets one of them by chance.
const (
	firstPort = 11000
	givenOut  = 21000
)

// turn counts the ports that this process has looked at: it gives none out twice,
// until all had their turn. Where it begins differs, since there may be other
// processes that do the same.
var turn = func() *atomic.Uint32 {
	t := new(atomic.Uint32)
	t.Store(rand.Uint32N(givenOut))
	return t
}()

// FreePorts returns n different ports on 127.0.0.1 that were free for TCP and
// UDP a moment ago. Another program that asks for one by its number may take it before
// it is used: who starts a program on them tries again with new ones.
func FreePorts(n int) ([]int, error) {
	var ports []int
	for range givenOut {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + int(turn.Add(1)%givenOut)
		if isFree(port) {
			ports = append(ports, port)
		}
	}
	return nil, fmt.Errorf("finding %d free ports: only %d found", n, len(ports))
}

// isFree reports whether nobody has the port, neither for TCP nor for UDP.
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
	_ = udp.Close()
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
