package http1

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/proxy"
)

// Bounds of the pause after a failure to accept.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// gate counts the connections of a listener, keeps them within a bound and
// outlasts failures to accept.
type gate struct {
	ln     net.Listener
	counts *proxy.Listener
	most   int // 0 for no bound
	log    hclog.Logger

	once   sync.Once
	closed chan struct{}
}

func newGate(ln net.Listener, counts *proxy.Listener, most int, log hclog.Logger) *gate {
	return &gate{ln: ln, counts: counts, most: most, log: log, closed: make(chan struct{})}
}

// accept returns the next connection within the bound. Its only error is that
// of a closed listener.
func (g *gate) accept() (net.Conn, error) {
	var pause time.Duration
	for {
		c, err := g.ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || g.isClosed() {
				return nil, err
			}
			pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
			g.log.Warn("accepting failed", "listener", g.counts.Name, "error", err, "pause", pause)
			if !g.wait(pause) {
				return nil, net.ErrClosed
			}
			continue
		}
		pause = 0
		g.counts.Accepted.Add(1)
		if n := g.counts.Open.Add(1); g.most > 0 && n > int64(g.most) {
			g.counts.Open.Add(-1)
			g.counts.Refused.Add(1)
			c.Close()
			continue
		}
		return c, nil
	}
}

func (g *gate) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-g.closed:
		return false
	}
}

func (g *gate) isClosed() bool {
	select {
	case <-g.closed:
		return true
	default:
		return false
	}
}

// Close closes the listener and ends a pause.
func (g *gate) Close() {
	g.once.Do(func() { close(g.closed) })
	g.ln.Close()
}
