package tcp

import (
	"errors"
	"net"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/proxy"
)

// maxWaiting bounds the connections of a listener whose ClientHello is being read.
// One more is closed.
const maxWaiting = 4096

// Front stands before a server of requests by TLS. Who asks for a name that a route
// has passes; everybody else is accepted from it as if nobody had looked.
type Front struct {
	net.Listener
	e   *Engine
	o   ListenerOptions
	log hclog.Logger

	ready   chan accepted
	waiting chan struct{} // one element for each ClientHello that is being read
	closed  chan struct{}
	all     sync.WaitGroup // all but passages
	looking sync.WaitGroup // for each ClientHello that is being read; part of all

	mu      sync.Mutex
	over    bool
	pending map[net.Conn]struct{} // whose ClientHello is being read
}

type accepted struct {
	c   net.Conn
	err error
}

// NewFront looks at the connections of ln. It begins at once; Close ends it and
// closes ln, but no passage.
func (e *Engine) NewFront(ln net.Listener, o ListenerOptions) *Front {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	f := &Front{
		Listener: ln, e: e, o: o, log: o.Logger, ready: make(chan accepted), waiting: make(chan struct{}, maxWaiting),
		closed: make(chan struct{}), pending: make(map[net.Conn]struct{}),
	}
	f.all.Go(f.accept)
	return f
}

// Accept returns the next connection that no route for passages takes.
func (f *Front) Accept() (net.Conn, error) {
	select {
	case a := <-f.ready:
		return a.c, a.err
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the listener and the connections that wait, and returns when nothing
// of it runs any more but passages.
func (f *Front) Close() error {
	f.mu.Lock()
	if f.over {
		f.mu.Unlock()
		return nil
	}
	f.over = true
	close(f.closed)
	err := f.Listener.Close()
	for c := range f.pending {
		c.Close()
	}
	f.mu.Unlock()
	f.all.Wait()
	return err
}

// accept takes connections until the listener is closed. A failure is passed on,
// and the next attempt comes when someone has taken it.
func (f *Front) accept() {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			over := f.isClosed() || errors.Is(err, net.ErrClosed)
			if over { // who has been let in is not turned away
				f.looking.Wait()
			}
			f.hand(accepted{err: err})
			if over {
				return
			}
			continue
		}
		if !f.e.table.Load().named(f.o.Listener.Name) {
			f.hand(accepted{c: c})
			continue
		}
		select {
		case f.waiting <- struct{}{}:
			if !f.begin(c) {
				c.Close()
				<-f.waiting
				return
			}
			go f.look(c)
		default:
			f.o.Listener.Refused.Add(1)
			f.log.Debug("connection refused", "peer", c.RemoteAddr().String(), "error", "too many have not said yet what they want")
			c.Close()
		}
	}
}

// look finds out where a connection goes.
func (f *Front) look(c net.Conn) {
	h, err := peek(c, f.o.HelloTimeout)
	<-f.waiting
	switch r := f.e.table.Load().byName(f.o.Listener.Name, h.name); {
	case err == nil && r != nil:
		f.pass(c, h, r)
	case errors.Is(err, errGone), errors.Is(err, os.ErrDeadlineExceeded):
		c.Close()
		f.settled(c)
	default: // broken ones, too: TLS says best what is wrong with it
		f.hand(accepted{c: &replayed{Conn: c, early: h.raw}})
		f.settled(c)
	}
}

// pass lets a connection pass, within the bound of the listener.
func (f *Front) pass(c net.Conn, h *hello, r *Route) {
	l := f.o.Listener
	l.Accepted.Add(1)
	defer l.Open.Add(-1)
	if n := l.Open.Add(1); f.o.MaxConnections > 0 && n > int64(f.o.MaxConnections) {
		l.Refused.Add(1)
		c.Close()
		f.settled(c)
		return
	}
	defer outlast(f.log)
	f.e.passage(proxy.TLS, proxy.NewConn(l, addrPort(c.RemoteAddr()), false), c, h.raw, h.name, func() { f.settled(c) }).pass(r)
}

// hand gives a connection to Accept, or closes it when nobody will come for it.
func (f *Front) hand(a accepted) {
	select {
	case f.ready <- a:
	case <-f.closed:
		if a.c != nil {
			a.c.Close()
		}
	}
}

// begin notes a connection that is looked at, unless the listener is closed.
func (f *Front) begin(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return false
	}
	f.pending[c] = struct{}{}
	f.all.Add(1)
	f.looking.Add(1)
	return true
}

// settled is called once for each that begin has noted.
func (f *Front) settled(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pending, c)
	f.looking.Done()
	f.all.Done()
}

func (f *Front) isClosed() bool {
	select {
	case <-f.closed:
		return true
	default:
		return false
	}
}
