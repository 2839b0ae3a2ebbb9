package tcp

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/lictor/lictor/proxy"
)

// passage is one client's connection, and once there is one, the instance's.
type passage struct {
	x     proxy.Exchange
	e     *Engine
	route *Route          // nil before there is one
	down  net.Conn        // what the client's bytes are read from and written to
	early []byte          // read from it already
	taken func()          // called once the pipeline has it
	ctx   context.Context //nolint:containedctx // it is the passage's life

	mu     sync.Mutex
	up     net.Conn // nil until it is connected
	cancel context.CancelFunc
	why    error // it is closed, nil while it is not
}

// passage makes one of a client's connection. name is what it asked for by TLS;
// taken is called once the pipeline has it.
func (e *Engine) passage(of proxy.Protocol, conn *proxy.Conn, down net.Conn, early []byte, name string, taken func()) *passage {
	g := &passage{e: e, down: down, early: early, taken: taken}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.x.Conn = conn
	g.x.Request.Protocol, g.x.Request.Host = of, []byte(name)
	return g
}

// pass has the pipeline tell the passage's story.
func (g *passage) pass(r *Route) {
	g.route = r
	g.e.o.Proxy.Pass(&g.x, r.Route, g)
}

// refuse has the pipeline tell of a passage that ends here.
func (g *passage) refuse(why *proxy.Problem, err error) {
	g.e.o.Proxy.RefusePassage(&g.x, why, err, g)
}

// Context implements proxy.Passage.
func (g *passage) Context() context.Context { return g.ctx }

// Taken implements proxy.Passage.
func (g *passage) Taken() { g.taken() }

// Close implements proxy.Passage.
func (g *passage) Close() error {
	g.end(errStopped)
	return nil
}

// end closes both connections. The first reason counts.
func (g *passage) end(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why != nil {
		return
	}
	g.why = why
	g.cancel()
	g.down.Close()
	if g.up != nil {
		g.up.Close()
	}
}

// connected takes the instance's connection over, and closes it when it comes too
// late.
func (g *passage) connected(up net.Conn) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why != nil {
		up.Close()
		return g.why
	}
	g.up = up
	return nil
}

// ended returns why it is closed, nil when it is not.
func (g *passage) ended() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
