package nethttp

import (
	"net"
	"sync/atomic"

	"github.com/lictor/lictor/proxy/gate"
)

// entrance is a gate whose connections count themselves off when they are closed.
type entrance struct {
	*gate.Gate
	open *atomic.Int64
}

// Accept implements net.Listener.
func (e entrance) Accept() (net.Conn, error) {
	c, err := e.Gate.Accept()
	if err != nil {
		return nil, err
	}
	return &entry{Conn: c, open: e.open}, nil
}
