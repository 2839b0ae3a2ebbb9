package http1

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/gate"
	"github.com/lictor/lictor/proxy/splice"
)

// Options describe a Server.
type Options struct {
	// Listener is what the pipeline knows of the address, and counts its
	// connections. It must not be nil.
	Listener *proxy.Listener
	// TLS turns TLS on. Nil means cleartext.
	TLS *tls.Config
	// ReadHeaderTimeout bounds the reading of a request's head from its first
	// byte on, and TLS handshakes. IdleTimeout bounds the wait for the next
	// request; 0 stands for ReadHeaderTimeout. 0 in both means no bound.
	ReadHeaderTimeout, IdleTimeout time.Duration
	// MaxHeaderBytes bounds a request's head; 0 stands for 1 MiB.
	MaxHeaderBytes int
	// MaxConnections bounds the open connections, tunnels among them. One more
	// is closed as soon as it is accepted: left in the kernel's queue it would
	// hang, and a balancer in front would not learn that we are full. 0 means
	// no bound.
	MaxConnections int
	// H2 takes over the connections whose client speaks HTTP/2: by prior
	// knowledge (RFC 9113 section 3.3), then the preface can still be read from
	// them, or by ALPN, then they are of type *tls.Conn and the handshake is
	// done. They are not this server's any more, but its Listener still counts
	// them as open: H2 counts each off at its end. H2 may return before it is
	// done with one. Nil refuses HTTP/2.
	H2 func(net.Conn)
	// Logger gets panics at error and failures to accept at warn. Nil logs
	// nothing.
	Logger hclog.Logger
}

// defaultMaxHead is net/http's bound on a head, in bytes.
const defaultMaxHead = 1 << 20

// Server is the half of the engine that faces clients.
type Server struct {
	handler  proxy.Handler
	refuser  refuser // nil when the handler is none
	o        Options
	tls      *tls.Config
	log      hclog.Logger
	start    time.Time
	date     atomic.Pointer[[]byte]
	works    sync.Pool // of *work
	room     spaces
	pipes    splice.Pipes
	leaving  atomic.Bool // each answer is its connection's last
	draining atomic.Bool
	closed   atomic.Bool

	mu        sync.Mutex
	listeners map[*gate.Gate]struct{}
	conns     []*conn
	sweeping  bool
	over      bool
	ended     chan struct{} // closed when no connection is left nor will be: over
}

// refuser is a Handler that also answers requests which never became one.
type refuser interface {
	Refuse(x *proxy.Exchange, why *proxy.Problem, detail string, err error)
}

// New returns a server that lends its exchanges to h.
func New(h proxy.Handler, o Options) *Server {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = o.ReadHeaderTimeout
	}
	if o.MaxHeaderBytes <= 0 {
		o.MaxHeaderBytes = defaultMaxHead
	}
	s := &Server{
		handler: h, o: o, tls: tlsConfig(o), log: o.Logger, start: time.Now(),
		listeners: make(map[*gate.Gate]struct{}), ended: make(chan struct{}),
	}
	s.refuser, _ = h.(refuser)
	s.works.New = func() any { return newWork() }
	s.setDate(s.start)
	return s
}

// tlsConfig returns the configuration with the protocols that are spoken.
func tlsConfig(o Options) *tls.Config {
	if o.TLS == nil {
		return nil
	}
	c := o.TLS.Clone()
	c.NextProtos = []string{"http/1.1"}
	if o.H2 != nil {
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	return c
}

// now is the engine's clock: the time since the server was made.
func (s *Server) now() time.Duration { return time.Since(s.start) }

// setDate brings the Date field up to date (RFC 9110 section 6.6.1).
func (s *Server) setDate(t time.Time) {
	d := t.UTC().AppendFormat(nil, "Mon, 02 Jan 2006 15:04:05 GMT")
	s.date.Store(&d)
}

// Serve accepts connections from ln until Shutdown or Close, and returns nil
// then. A failure to accept, for want of file descriptors say, is waited out.
// It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	g := gate.New(ln, s.o.Listener, s.o.MaxConnections, s.log)
	if !s.open(g) {
		g.Close()
		return nil
	}
	defer s.forget(g)
	for {
		nc, err := g.Accept()
		if err != nil {
			if s.leaving.Load() {
				return nil
			}
			return err
		}
		c := newConn(s, nc)
		if !s.add(c) {
			c.release()
			nc.Close()
			continue
		}
		go c.serve()
	}
}

// open makes g one of the server's listeners, unless the server is shut down.
func (s *Server) open(g *gate.Gate) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving.Load() {
		return false
	}
	s.listeners[g] = struct{}{}
	return true
}

func (s *Server) forget(g *gate.Gate) {
	g.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, g)
}

// add makes c one of the server's connections, unless the server is shut down.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	c.index = len(s.conns)
	s.conns = append(s.conns, c)
	if !s.sweeping {
		s.sweeping = true
		s.setDate(time.Now()) // nobody has done so since New
		go s.sweep()
	}
	return true
}

// remove is called once for every connection: at its end, or when somebody else
// takes it over. Nothing of the server's touches it afterwards.
func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.index < 0 {
		return
	}
	last := len(s.conns) - 1
	s.conns[c.index] = s.conns[last]
	s.conns[c.index].index = c.index
	s.conns[last] = nil
	s.conns = s.conns[:last]
	c.index = -1
	s.endLocked()
}

func (s *Server) endLocked() {
	if s.draining.Load() && len(s.conns) == 0 && !s.over {
		s.over = true
		s.pipes.Close()
		close(s.ended)
	}
}

// stop stops accepting and ends the connections that wait for a request.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving.Store(true)
	s.draining.Store(true)
	for g := range s.listeners {
		g.Close()
	}
	for _, c := range s.conns {
		if c.seq.Load()&1 == 0 {
			_ = c.sock.SetReadDeadline(past) // fails on a closed connection only
		}
	}
	s.endLocked()
}

// Retire tells clients that each answer is the last one on its connection, and leaves
// those alone that wait for their next request: it will be answered. It is for a
// listener that another process goes on with. The caller closes this process's own,
// whereupon Serve returns nil, and calls Shutdown once no connection is left or
// waited for.
func (s *Server) Retire() { s.leaving.Store(true) }

// Shutdown stops accepting, tells clients that each answer is the last one on
// its connection, and waits for what is in flight. The error is ctx's. Tunnels
// are not waited for: the pipeline owns them.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends everything but tunnels at once.
func (s *Server) Close() error {
	s.closed.Store(true)
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns { // to close them could wait for their exchanges
		c.interrupt(c.seq.Load())
		_ = c.sock.SetDeadline(past) // fails on a closed connection only
	}
	return nil
}
