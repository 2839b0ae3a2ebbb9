package proxy

import (
	"io"
	"sync"

	"github.com/lictor/lictor/proxy/upstream"
)

const statusSwitching = 101

// tunnel joins client and instance after a 101 response (RFC 9110 section
// 15.2.2) until both have ended it, one has broken it off, or nothing has passed
// for the route's idle timeout.
func (x *Exchange) tunnel() {
	up := x.Response.Tunnel
	defer x.done(false)
	if !x.Request.WebSocket || up == nil || !x.handshaken() {
		err := errTunnelRefused
		if up != nil {
			up.Close() //nolint:errcheck // it is being thrown away
			if x.Request.WebSocket {
				err = errNoHandshake
			}
		}
		x.report(upstream.Broke, x.UpstreamEnd)
		x.Answer(InstanceBroke, "", err)
		return
	}
	x.noteResponse()
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
