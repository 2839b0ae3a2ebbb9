package harness

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Detour is a way to a server on which answers take longer. It ends with the
// test.
type Detour struct {
	// Address is host:port.
	Address string

	delay    atomic.Int64
	target   string
	listener net.Listener
	done     chan struct{}
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

// StartDetour opens a way to the target without a delay.
func StartDetour(t testing.TB, target string) *Detour {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &Detour{Address: listener.Addr().String(), target: target, listener: listener, done: make(chan struct{})}
	d.wg.Go(d.accept)
	t.Cleanup(func() {
		close(d.done)
		listener.Close()
		d.mu.Lock()
		for _, c := range d.conns {
			c.Close()
		}
		d.mu.Unlock()
		d.wg.Wait()
	})
	return d
}

// Delay makes every answer that arrives from now on wait.
func (d *Detour) Delay(by time.Duration) { d.delay.Store(int64(by)) }

func (d *Detour) accept() {
	for {
		in, err := d.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", d.target)
		if err != nil {
			in.Close()
			continue
		}
		d.mu.Lock()
		d.conns = append(d.conns, in, out)
		d.mu.Unlock()
		d.wg.Go(func() { d.carry(out, in, false) })
		d.wg.Go(func() { d.carry(in, out, true) })
	}
}

func (d *Detour) carry(to, from net.Conn, slowly bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if by := time.Duration(d.delay.Load()); slowly && by > 0 {
			timer := time.NewTimer(by)
			select {
			case <-timer.C:
			case <-d.done:
				timer.Stop()
				return
			}
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
