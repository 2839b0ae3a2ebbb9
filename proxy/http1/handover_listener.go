package http1

import (
	"net"
	"sync"
)

// Handover is a net.Listener for the engine that speaks HTTP/2: it accepts what
// a Server does not serve itself. Its Take is what Options.H2 wants.
type Handover struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// NewHandover returns a listener that says it listens at addr.
func NewHandover(addr net.Addr) *Handover {
	return &Handover{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Take waits until somebody accepts the connection. Once the listener is closed
// it closes the connection instead.
func (h *Handover) Take(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		c.Close()
	}
}

// Accept implements net.Listener. Its only error is net.ErrClosed.
func (h *Handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *Handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *Handover) Addr() net.Addr { return h.addr }
