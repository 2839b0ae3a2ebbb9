package proxy

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/proxy/upstream"
)

const statusSwitching = 101

// tunnel joins client and instance after a 101 response (RFC 9110 section
// 15.2.2) until one of them ends it or nothing has passed for the route's idle
// timeout.
func (x *Exchange) tunnel() {
	up := x.Response.Tunnel
	defer x.p.forwarder.Done(x, false)
	if !x.Request.WebSocket || up == nil {
		if up != nil {
			up.Close() //nolint:errcheck // it is being thrown away
		}
		x.report(upstream.Broke, x.UpstreamEnd)
		x.Answer(InstanceBroke, "", errTunnelRefused)
		return
	}
	if err := x.W.Head(&x.Response); err != nil {
		up.Close() //nolint:errcheck // it is being thrown away
		x.Err = err
		x.W.Abort()
		return
	}
	x.headOut = true
	down, err := x.W.Tunnel()
	if err != nil {
		up.Close() //nolint:errcheck // it is being thrown away
		x.Err = err
		x.W.Abort()
		return
	}
	x.report(upstream.Success, x.UpstreamEnd)
	untrack := x.p.tunnels.track(down, up)
	defer untrack()
	x.BytesIn, x.BytesOut = join(down, up, x.Route.IdleTimeout)
	x.complete = true
}

// join copies both ways until either way ends, then closes both streams.
func join(down, up io.ReadWriteCloser, idle time.Duration) (in, out int64) {
	var moved atomic.Int64
	var once sync.Once
	closeBoth := func() {
		once.Do(func() {
			down.Close()
			up.Close()
		})
	}
	defer closeBoth()
	if idle > 0 {
		stop := watchIdle(&moved, idle, closeBoth)
		defer stop()
	}
	back := make(chan int64, 1)
	go func() {
		n := pump(down, up, &moved)
		closeBoth()
		back <- n
	}()
	in = pump(up, down, &moved)
	closeBoth()
	return in, <-back
}

// pump copies until an end or an error; moved tells the idle watch of progress.
func pump(dst io.Writer, src io.Reader, moved *atomic.Int64) int64 {
	n, _ := io.CopyBuffer(writerOnly{dst}, readCounter{src, moved}, make([]byte, 16<<10)) // an end is an end, whatever the error
	return n
}

type writerOnly struct{ io.Writer }

type readCounter struct {
	io.Reader
	moved *atomic.Int64
}

func (r readCounter) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.moved.Add(int64(n))
	return n, err
}

// watchIdle calls end once nothing has moved for between one and two idle
// periods.
func watchIdle(moved *atomic.Int64, idle time.Duration, end func()) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	last, done := moved.Load(), false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(idle, func() {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return
		}
		if now := moved.Load(); now != last {
			last = now
			timer.Reset(idle)
			return
		}
		end()
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done = true
		timer.Stop()
	}
}

// tunnels holds the open ones, so that a drain that has run out of time can end
// them, and those that open afterwards. The zero value is ready to use.
type tunnels struct {
	mu   sync.Mutex
	open map[*tunnelPair]struct{}
	over bool // there are to be none any more
}

type tunnelPair struct{ down, up io.Closer }

func (p *tunnelPair) close() {
	p.down.Close()
	p.up.Close()
}

func (t *tunnels) track(down, up io.Closer) (untrack func()) {
	p := &tunnelPair{down, up}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		p.close()
		return func() {}
	}
	if t.open == nil {
		t.open = make(map[*tunnelPair]struct{})
	}
	t.open[p] = struct{}{}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, p)
	}
}

func (t *tunnels) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	for p := range t.open {
		p.close()
	}
}

// CloseTunnels ends every tunnel at once, and from then on each that opens: a
// request that was on its way may still become one.
func (p *Proxy) CloseTunnels() { p.tunnels.closeAll() }
