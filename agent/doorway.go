package agent

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// doorway is what an engine accepts connections from. It tells when there are no
// more: an engine asks for the next connection when it has counted the one before.
type doorway struct {
	net.Listener
	shut  chan struct{} // closed then
	once  sync.Once
	asked atomic.Bool
}

// Accept implements net.Listener.
func (d *doorway) Accept() (net.Conn, error) {
	d.asked.Store(true)
	c, err := d.Listener.Accept()
	if errors.Is(err, net.ErrClosed) {
		d.end()
	}
	return c, err
}

// Close implements net.Listener. An engine that has never asked will not ask.
func (d *doorway) Close() error {
	err := d.Listener.Close()
	if !d.asked.Load() {
		d.end()
	}
	return err
}

func (d *doorway) end() { d.once.Do(func() { close(d.shut) }) }
