package gate

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
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Gate is a listener that counts its connections, keeps them within a bound and
// outlasts failures to accept.
type Gate struct {
	net.Listener
	counts *proxy.Listener
	most   int // 0 for no bound
	log    hclog.Logger

	once   sync.Once
	closed chan struct{}
}

// New returns a gate before ln. At most so many connections are let in at a time,
// 0 for no bound.
func New(ln net.Listener, counts *proxy.Listener, most int, log hclog.Logger) *Gate {
	return &Gate{Listener: ln, counts: counts, most: most, log: log, closed: make(chan struct{})}
}

// Accept returns the next connection within the bound, and has counted it as open:
// who takes it counts it off again when it is closed. Its only error is that of a
// closed listener.
func (g *Gate) Accept() (net.Conn, error) {
	var pause time.Duration
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || g.isClosed() {
				return nil, err
			}
			pause = min(max(2*pause, minPause), maxPause)
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

func (g *Gate) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-g.closed:
		return false
	}
}

func (g *Gate) isClosed() bool {
	select {
	case <-g.closed:
		return true
	default:
		return false
	}
}

// Close closes the listener and ends a pause.
func (g *Gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Listener.Close()
}
