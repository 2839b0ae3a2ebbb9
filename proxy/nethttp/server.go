package nethttp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/gate"
)

// Options describe a Server.
type Options struct {
	// Listener is what the pipeline knows of the address, and counts its
	// connections. It must not be nil.
	Listener *proxy.Listener
	// TLS turns TLS on, with HTTP/2 and HTTP/1.1 offered by ALPN. Nil means
	// cleartext, with HTTP/2 by prior knowledge (RFC 9113 section 3.3).
	TLS *tls.Config
	// ReadHeaderTimeout bounds the reading of a request's head, TLS handshakes
	// too. IdleTimeout bounds the wait for the next request. 0 means no bound.
	ReadHeaderTimeout, IdleTimeout time.Duration
	// MaxHeaderBytes bounds a request's head; 0 stands for net/http's 1 MiB.
	MaxHeaderBytes int
	// MaxConnections bounds the open connections, tunnels among them. One more
	// is closed as soon as it is accepted: left in the kernel's queue it would
	// hang, and a balancer in front would not learn that we are full. 0 means
	// no bound.
	MaxConnections int
	// MaxConcurrentStreams bounds the requests of HTTP/2 that are open at a time on
	// one connection; 0 stands for net/http's 250.
	MaxConcurrentStreams int
	// MaxWastedFrames is how many frames of HTTP/2 that bring no request any further
	// (resets, PING, SETTINGS, empty DATA and the like) a client may send ahead of
	// those that do, before its connection is closed. 0 means no bound.
	MaxWastedFrames int
	// Logger gets net/http's complaints about clients at debug, and failures to
	// accept at warn. Nil logs nothing.
	Logger hclog.Logger
}

// An HTTP/2 client that has been silent with requests open is asked whether it
// is still there.
const (
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second
)

// maxFrame bounds a frame of HTTP/2 from a client, in bytes: it is the least that may
// be asked for (RFC 9113 section 6.5.2). A connection keeps a buffer as large as the
// largest frame that it has seen.
const maxFrame = 16 << 10

// Server is the half of the engine that faces clients.
type Server struct {
	handler  proxy.Handler
	listener *proxy.Listener
	most     int
	wasted   int
	within   time.Duration // in which a client of HTTP/2 must take something
	secure   bool
	log      hclog.Logger
	http     *http.Server // of what Serve accepts
	h2       *http.Server // of what Take is given, and of what turns out to be HTTP/2 by TLS
	work     sync.Pool    // of *work
	taken    takenConns
	leaving  atomic.Bool // each answer is its connection's last
}

// New returns a server that lends its exchanges to h.
func New(h proxy.Handler, o Options) *Server {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	s := &Server{handler: h, listener: o.Listener, most: o.MaxConnections, wasted: o.MaxWastedFrames, within: o.IdleTimeout, secure: o.TLS != nil, log: o.Logger}
	s.work.New = func() any { return newWork() }
	s.taken.queue, s.taken.done = make(chan net.Conn), make(chan struct{})
	s.http = s.newHTTP(&o, func(p *http.Protocols) {
		p.SetHTTP1(true)
		p.SetHTTP2(o.TLS != nil)
		p.SetUnencryptedHTTP2(o.TLS == nil)
	})
	s.h2 = s.newHTTP(&o, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
	if o.TLS != nil {
		s.http.TLSConfig = offering(o.TLS)
		s.http.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": s.inherit}
	}
	return s
}

// newHTTP returns one of the two servers behind a Server.
func (s *Server) newHTTP(o *Options, offer func(*http.Protocols)) *http.Server {
	protocols := new(http.Protocols)
	offer(protocols)
	return &http.Server{
		Handler:           s,
		ConnState:         s.connState,
		Protocols:         protocols,
		ReadHeaderTimeout: o.ReadHeaderTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: o.MaxConcurrentStreams, MaxReadFrameSize: maxFrame,
			SendPingTimeout: pingAfter, PingTimeout: pingTimeout, // writes are bounded by the outbox
		},
		DisableGeneralOptionsHandler: true,
		ConnContext:                  s.connContext,
		ErrorLog:                     complaints(o.Logger),
	}
}

// complaints turns net/http's logger into lines of ours.
func complaints(l hclog.Logger) *log.Logger {
	return l.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug})
}

// Serve accepts connections from ln until Shutdown or Close, and returns nil
// then. A failure to accept, for want of file descriptors say, is waited out.
// It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	in := entrance{gate.New(ln, s.listener, s.most, s.log), &s.listener.Open}
	if !s.secure {
		return s.ended(s.http.Serve(watchedListener{in, s}))
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	failed := make(chan error, 1)
	wg.Go(func() { failed <- s.ServeTaken() })
	if err := s.ended(s.http.ServeTLS(in, "", "")); err != nil {
		_ = s.h2.Close() // there is an error to report already
		return err
	}
	return <-failed
}

// ended returns nil for what a server returns that was shut down or retired.
func (s *Server) ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) || s.leaving.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Retire tells clients that each answer is the last one on its connection, and leaves
// those alone that wait for their next request: it will be answered. It is for a
// listener that another process goes on with. The caller closes this process's own,
// and calls Shutdown once no connection is left or waited for. Serve returns nil
// then, by TLS only after the latter: until then connections turn out to be HTTP/2.
func (s *Server) Retire() { s.leaving.Store(true) }

// Shutdown stops accepting, tells clients that each answer is the last one on
// its connection, and waits for what is in flight. The error is ctx's. Tunnels
// of HTTP/1.1 are not waited for: the pipeline owns them.
func (s *Server) Shutdown(ctx context.Context) error {
	var wg sync.WaitGroup
	var first, second error
	wg.Go(func() { first = s.http.Shutdown(ctx) })
	wg.Go(func() { second = s.h2.Shutdown(ctx) })
	wg.Wait()
	return errors.Join(first, second)
}

// Close ends everything but tunnels of HTTP/1.1 at once.
func (s *Server) Close() error { return errors.Join(s.http.Close(), s.h2.Close()) }

// connContext describes a connection once, for all of its requests.
func (s *Server) connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, clientKey{}, newClient(s.listener, c))
}

// peer returns the other end's address, the unspecified one when it has none,
// as on a Unix socket.
func peer(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	if ap, err := netip.ParseAddrPort(a.String()); err == nil {
		return ap
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}

// work is all that one exchange needs. It is used again.
type work struct {
	x proxy.Exchange
	w responder
	b body
}

func newWork() *work {
	w := new(work)
	w.w.x, w.b.x = &w.x, &w.x
	return w
}

// ServeHTTP implements http.Handler, for the connections that Serve accepts.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	k := r.Context().Value(clientKey{}).(*client)
	s.serve(rw, r, k.conn, k.entry, cmp.Or(r.TLS, k.tls))
}

// ServeConn serves one request of a connection that somebody else holds, who
// speaks of it in the terms of net/http: HTTP/3, say. Where its response writer
// has deadlines and flushes, they must be the request's own. It panics with
// http.ErrAbortHandler when the client must see that the response is not
// complete.
func (s *Server) ServeConn(rw http.ResponseWriter, r *http.Request, c *proxy.Conn) {
	s.serve(rw, r, c, nil, r.TLS)
}

func (s *Server) serve(rw http.ResponseWriter, r *http.Request, c *proxy.Conn, e *entry, state *tls.ConnectionState) {
	defer s.report()
	w := s.work.Get().(*work)
	x := &w.x
	x.Conn = c
	if state != nil && len(state.VerifiedChains) > 0 {
		c.SetClientCert(state.PeerCertificates[0])
	}
	w.b.begin(rw, r)
	w.w.begin(rw, r, &w.b)
	w.w.leaving = s.leaving.Load()
	x.W = &w.w
	if err := unsound(r); err != nil {
		s.refuse(x, proxy.Malformed, err)
	} else if w.readRequest(r) {
		s.handler.Serve(x)
	} else {
		s.refuse(x, proxy.HeadTooLarge, errTooManyFields)
	}
	aborted := w.w.aborted
	if e != nil && r.ProtoMajor == 1 && w.closesEarly() {
		e.unread.Store(true)
	}
	w.b.end(aborted)
	w.w.end()
	x.W, x.Conn = nil, nil
	w.forgetRequest()
	s.work.Put(w) // a panic of the pipeline's loses it, which is right
	if aborted {
		panic(http.ErrAbortHandler)
	}
}

// report logs a panic of the pipeline's as the fault that it is; net/http would
// tell of it among the complaints about clients.
func (s *Server) report() {
	p := recover()
	switch p {
	case nil:
		return
	case http.ErrAbortHandler:
	default:
		s.log.Error("serving a request panicked", "listener", s.listener.Name, "panic", p, "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}

// refuser is a Handler that also answers requests which never became one.
type refuser interface {
	Refuse(x *proxy.Exchange, why *proxy.Problem, detail string, err error)
}

// refuse answers a request that is none, or that has more fields than an Exchange
// holds.
func (s *Server) refuse(x *proxy.Exchange, why *proxy.Problem, err error) {
	x.Request.Fields.Reset(nil)
	if h, ok := s.handler.(refuser); ok {
		h.Refuse(x, why, "", err)
		return
	}
	x.W.Abort()
}

// closesEarly reports whether an HTTP/1 connection is about to be closed with
// some of the request unread, after an answer that the client should get.
func (w *work) closesEarly() bool {
	return !w.w.aborted && w.b.unfinished() && (w.w.last || w.b.err != nil)
}
