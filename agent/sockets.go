package agent

import "net"

// Sockets opens what a gateway listens on.
type Sockets interface {
	// Listen opens the socket of a listener, or of the admin API, whose name is
	// "admin:". A process that was started to take over gets the one that the
	// process before it had by that name and address.
	Listen(name, address string) (net.Listener, error)
}

// adminSocket is a name that no listener can have.
const adminSocket = "admin:"

// newSockets are opened by this process.
type newSockets struct{}

// Listen implements Sockets.
func (newSockets) Listen(_, address string) (net.Listener, error) { return net.Listen("tcp", address) }
