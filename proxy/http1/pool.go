package http1

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

const (
	// maxIdle bounds the idle connections to one endpoint.
	maxIdle = 256
	// idleTick is how often idle connections are looked at: one that was idle
	// for a whole tick is closed at its end. That is less than the 60 seconds
	// and more after which servers close an idle connection, so that it is us
	// who do.
	idleTick = 27 * time.Second
	// maxAge bounds how long a connection is used.
	maxAge = time.Hour
)

// pool holds the idle connections to one endpoint that were made in one way. The
// one that was used last is
// used first, so that those beyond need grow old. It implements io.Closer.
type pool struct {
	ep     *upstream.Endpoint
	own    func(netip.AddrPort) bool
	tls    proxy.UpstreamTLS // nil for in clear
	aging  proxy.AgingTLS    // the same, if it has a word on a connection's age
	dialer net.Dialer

	mu     sync.Mutex
	idle   []*upConn // the last is the youngest
	tick   uint32
	timer  *time.Timer // nil until the first one is idle
	ticks  bool        // the timer is running
	closed bool
}

func newPool(ep *upstream.Endpoint, own func(netip.AddrPort) bool, secure proxy.UpstreamTLS) *pool {
	p := &pool{ep: ep, own: own, tls: secure}
	p.aging, _ = secure.(proxy.AgingTLS)
	p.dialer.ControlContext = p.judge
	return p
}

// take returns the idle connection that was used last, nil when there is none.
func (p *pool) take() *upConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	u := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return u
}

// put keeps an idle connection. It reports false when there is no room for it.
func (p *pool) put(u *upConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdle {
		return false
	}
	u.tick = p.tick
	p.idle = append(p.idle, u)
	if !p.ticks {
		p.ticks = true
		if p.timer == nil {
			p.timer = time.AfterFunc(idleTick, p.age)
		} else {
			p.timer.Reset(idleTick)
		}
	}
	return true
}

// age closes the connections that have been idle since the tick before.
func (p *pool) age() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.idle) && p.idle[n].tick != p.tick {
		n++
	}
	p.closeLocked(n)
	p.tick++
	if p.ticks = len(p.idle) > 0; p.ticks {
		p.timer.Reset(idleTick)
	}
}

// closeLocked closes the n oldest idle connections.
func (p *pool) closeLocked(n int) {
	for _, u := range p.idle[:n] {
		u.leave()
	}
	rest := copy(p.idle, p.idle[n:])
	clear(p.idle[rest:])
	p.idle = p.idle[:rest]
}

func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeLocked(len(p.idle))
}

// Close closes the idle connections. One that is handed back later is closed by
// then.
func (p *pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.closeLocked(len(p.idle))
	if p.timer != nil {
		p.timer.Stop()
	}
	return nil
}
