package process

import (
	"fmt"
	"net"
)

// FreePorts returns n different ports on 127.0.0.1 that were free for TCP and
// UDP a moment ago. Another program may take one before it is used: who starts a
// program on them tries again with new ones.
func FreePorts(n int) ([]int, error) {
	var (
		ports []int
		held  []interface{ Close() error }
	)
	defer func() {
		for _, h := range held {
			_ = h.Close()
		}
	}()
	for tries := 0; len(ports) < n; tries++ {
		if tries > 10*n {
			return nil, fmt.Errorf("finding %d free ports: only %d found", n, len(ports))
		}
		tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		held = append(held, tcp)
		port := tcp.Addr().(*net.TCPAddr).Port
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue // free for TCP alone
		}
		held = append(held, udp)
		ports = append(ports, port)
	}
	return ports, nil
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
