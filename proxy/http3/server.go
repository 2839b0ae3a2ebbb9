package http3

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/lictor/lictor/proxy"
)

// Options describe a Server.
type Options struct {
	// Handler answers a request of the connection. It panics with
	// http.ErrAbortHandler to break the response off. It must not be nil.
	Handler func(http.ResponseWriter, *http.Request, *proxy.Conn)
	// Listener is what the pipeline knows of the address, and counts its
	// connections. It must not be nil.
	Listener *proxy.Listener
	// TLS is asked at each handshake. It must not be nil. ALPN is set here.
	TLS *tls.Config
	// ReadHeaderTimeout bounds the handshake, and the wait for the end of a request
	// that should have no body; 0 stands for 10 seconds. IdleTimeout bounds the
	// time without a request; 0 means no bound.
	ReadHeaderTimeout, IdleTimeout time.Duration
	// MaxHeaderBytes bounds the fields of a request as RFC 9114 section 4.2.2
	// counts them; 0 stands for 1 MiB.
	MaxHeaderBytes int
	// MaxConnections bounds the open connections of the Listener, those by TCP
	// included. One more is refused. 0 means no bound.
	MaxConnections int
	// EarlyData lets clients that come back send requests with their first
	// datagram (0-RTT). See the package's comment for which are served then.
	EarlyData bool
	// Logger gets complaints about clients at debug, and what the machine should
	// do better at warn. Nil logs nothing.
	Logger hclog.Logger
}

const (
	// mostStreams bounds the requests that a client may have open on a connection.
	// One that it has given up counts until it has ended here.
	mostStreams = 100
	// mostUniStreams are for control, QPACK and whatever RFC 9114 section 6.2 lets
	// a client add.
	mostUniStreams = 16

	// A client with a request open that has been silent for pingEvery is asked
	// whether it is still there; it is not once it has been silent for silence.
	pingEvery = 30 * time.Second
	silence   = 60 * time.Second

	// What a client may send before somebody has read it, in bytes.
	mostOfStream     = 2 << 20
	mostOfConnection = 4 << 20

	defaultHandshake = 10 * time.Second
)

// Server is one listener's HTTP/3.
type Server struct {
	handler  func(http.ResponseWriter, *http.Request, *proxy.Conn)
	listener *proxy.Listener
	log      hclog.Logger
	tls      *tls.Config
	quic     *quic.Config
	http     *http3.Server
	idle     time.Duration
	patience time.Duration // for the end of a request without a body
	early    bool
	door     door
	conns    conns

	mu      sync.Mutex
	running *listening // nil before Serve
	closed  bool
}

// listening is what Serve has opened.
type listening struct {
	transport *quic.Transport
	ln        acceptor
	done      chan struct{} // closed when no connection is served any more that was not
	once      sync.Once
}

// acceptor is a listener that can stop handing connections out without closing. quic-go
// would leave new clients without an answer then.
type acceptor struct {
	*quic.EarlyListener
	stopped context.Context //nolint:containedctx // its end is what ends Accept
	stop    context.CancelFunc
}

// Accept implements http3.QUICListener.
func (a acceptor) Accept(ctx context.Context) (*quic.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.stopped, cancel)()
	c, err := a.EarlyListener.Accept(ctx)
	if err != nil && a.stopped.Err() != nil {
		return nil, quic.ErrServerClosed
	}
	return c, err
}

// turnAway ends what was let in just before that, until the listener is closed.
func (a acceptor) turnAway() {
	for {
		c, err := a.EarlyListener.Accept(context.Background())
		if err != nil {
			return
		}
		_ = c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") // it fails on a closed connection only
	}
}

// New returns a server that has not begun to serve.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.ReadHeaderTimeout <= 0 {
		o.ReadHeaderTimeout = defaultHandshake
	}
	s := &Server{
		handler: o.Handler, listener: o.Listener, log: o.Logger, idle: o.IdleTimeout, patience: o.ReadHeaderTimeout, early: o.EarlyData,
		tls: http3.ConfigureTLSConfig(keepingTickets(o.TLS)),
		quic: &quic.Config{
			HandshakeIdleTimeout: o.ReadHeaderTimeout / 2, // quic-go lets the whole take twice that
			MaxIdleTimeout:       silence, KeepAlivePeriod: pingEvery,
			MaxIncomingStreams: mostStreams, MaxIncomingUniStreams: mostUniStreams,
			MaxStreamReceiveWindow: mostOfStream, MaxConnectionReceiveWindow: mostOfConnection,
			Allow0RTT: o.EarlyData,
		},
		door:  door{most: o.MaxConnections},
		conns: newConns(),
	}
	s.http = &http3.Server{
		Handler: s, MaxHeaderBytes: o.MaxHeaderBytes, ConnContext: s.enter,
		Logger: slog.New(complaints{o.Logger.With("listener", o.Listener.Name)}),
	}
	return s
}

// Serve takes clients from the socket, which is the server's from now on, until
// Shutdown or Close, and returns nil then. It may be called once.
func (s *Server) Serve(socket *net.UDPConn) error {
	l, err := s.open(socket)
	if err != nil || l == nil {
		_ = socket.Close() // nobody has used it
		return err
	}
	warnOfSmallBuffer(socket, s.log.With("listener", s.listener.Name))
	err = s.http.ServeListener(l.ln)
	close(l.done)
	if s.isClosed() {
		return nil
	}
	_ = s.Close() // the error to tell is the one that ended it
	return fmt.Errorf("serving HTTP/3: %w", err)
}

// open begins to listen, unless the server is closed already: then it returns nil.
func (s *Server) open(socket *net.UDPConn) (*listening, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil //nolint:nilnil // closed is no error
	}
	l := &listening{done: make(chan struct{})}
	l.transport = &quic.Transport{
		Conn: socket, ConnContext: s.admit, VerifySourceAddress: func(net.Addr) bool { return s.door.isCrowded() },
		StatelessResetKey: new(quic.StatelessResetKey),
	}
	_, _ = rand.Read(l.transport.StatelessResetKey[:]) // never fails
	leaveBufferWarningToUs()
	ln, err := l.transport.ListenEarly(s.tls, s.quic)
	if err != nil {
		return nil, fmt.Errorf("listening for QUIC: %w", err)
	}
	l.ln.EarlyListener = ln
	l.ln.stopped, l.ln.stop = context.WithCancel(context.Background())
	s.running = l
	return l, nil
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// stop stops accepting. It returns nil when nothing was ever served.
func (s *Server) stop() *listening {
	s.mu.Lock()
	first, l := !s.closed, s.running
	s.closed = true
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	l.ln.stop()
	<-l.done
	if first {
		go l.ln.turnAway()
	}
	return l
}

// Shutdown stops accepting, tells clients not to send more requests on their
// connections (GOAWAY), and waits for what is in flight. A client that stays when
// nothing is, is parted from. The error is ctx's.
func (s *Server) Shutdown(ctx context.Context) error {
	l := s.stop()
	if l == nil {
		return nil
	}
	// It returns once all connections have ended, which Close sees to at the latest.
	go func() { _ = s.http.Shutdown(context.WithoutCancel(ctx)) }()
	s.conns.part()
	select {
	case <-s.conns.gone():
		return l.close()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends everything at once.
func (s *Server) Close() error {
	l := s.stop()
	if l == nil {
		return nil
	}
	s.conns.close()
	return l.close()
}

// close gives the socket back.
func (l *listening) close() (err error) {
	l.once.Do(func() { err = errors.Join(l.transport.Close(), l.transport.Conn.Close()) })
	return err
}
