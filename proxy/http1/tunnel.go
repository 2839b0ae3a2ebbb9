package http1

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Tunnel implements proxy.Responder.
func (w *responder) Tunnel() (io.ReadWriteCloser, error) {
	c := w.w.c
	c.leave()
	if u := c.waiting.Swap(nil); u != nil {
		_ = u.nc.SetDeadline(time.Time{}) // the sweep may have set one
	}
	c.taken = true
	t := &tunnel{Conn: c.nc, open: &c.s.o.Listener.Open}
	if err := c.nc.SetDeadline(time.Time{}); err != nil {
		_ = t.Close() // the error is the one before
		return nil, fmt.Errorf("taking the connection over: %w", err)
	}
	head := appendSwitch(w.out[:0], &w.x.Response.Fields)
	if _, err := c.nc.Write(head); err != nil {
		_ = t.Close() // the error is the one before
		return nil, fmt.Errorf("writing to the client: %w", err)
	}
	t.early = w.w.in[w.w.r+w.w.head : w.w.n] // stays as it is until Serve has returned
	return t, nil
}

// tunnel is a client's connection after a 101 response. It counts as open until
// it is closed.
type tunnel struct {
	net.Conn
	early []byte // what came with the request
	open  *atomic.Int64
	once  sync.Once
}

// Read returns what had been read already, then what comes.
func (t *tunnel) Read(p []byte) (int, error) {
	if len(t.early) > 0 {
		n := copy(p, t.early)
		t.early = t.early[n:]
		return n, nil
	}
	return t.Conn.Read(p)
}

// CloseWrite ends our direction only.
func (t *tunnel) CloseWrite() error { return closeWrite(t.Conn) }

// Close closes the connection.
func (t *tunnel) Close() error {
	t.once.Do(func() { t.open.Add(-1) })
	return t.Conn.Close()
}

// closeWrite ends our direction of a connection, or all of one that has but one
// end.
func closeWrite(nc net.Conn) error {
	if w, ok := nc.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nc.Close()
}
