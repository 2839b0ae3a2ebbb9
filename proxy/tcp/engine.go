package tcp

import (
	"crypto/tls"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/splice"
)

// Options are what an Engine needs to know.
type Options struct {
	// Proxy tells the story of each passage. It must not be nil.
	Proxy *proxy.Proxy
	// Own reports whether an address is one of the gateway's own, which is never
	// connected to. Nil means none is.
	Own func(netip.AddrPort) bool
	// Refused may say more of an instance that could not be connected to, such as
	// that the service mesh denies it. Nil leaves the error as it is.
	Refused func(x *proxy.Exchange, err *proxy.ForwardError)
	// Unanswered may know why an instance has ended a passage before its first byte,
	// which is how the service mesh denies one by TLS 1.3: the handshake is over for us
	// by then. The error is what has broken, nil for a mere end. It returns nil if that
	// is all there is to say. Nil knows nothing.
	Unanswered func(x *proxy.Exchange, err error) *proxy.ForwardError
}

// ListenerOptions describe one listener.
type ListenerOptions struct {
	// Listener is what the pipeline knows of the address, and counts its
	// connections. It must not be nil.
	Listener *proxy.Listener
	// TLS ends the TLS of clients. Nil leaves what they send as it is.
	TLS *tls.Config
	// HelloTimeout bounds the wait for a ClientHello, and a handshake. 0 means no
	// bound.
	HelloTimeout time.Duration
	// MaxConnections bounds the open connections; one more is closed as soon as it
	// is accepted. 0 means no bound.
	MaxConnections int
	// Logger gets panics at error, failures to accept at warn and failed
	// handshakes at debug. Nil logs nothing.
	Logger hclog.Logger
}

// Engine carries passages, by the current table.
type Engine struct {
	o      Options
	table  atomic.Pointer[Table]
	spaces sync.Pool // of *[]byte, each of spaceSize
	pipes  splice.Pipes
}

// spaceSize is how much is read at once, in bytes.
const spaceSize = 16 << 10

// New returns an engine whose table is empty.
func New(o Options) *Engine {
	e := &Engine{o: o}
	e.spaces.New = func() any {
		b := make([]byte, spaceSize)
		return &b
	}
	e.table.Store(&Table{})
	return e
}

// Close gives back what the engine keeps for its next passages. Those that are there
// are not disturbed.
func (e *Engine) Close() { e.pipes.Close() }

// Swap makes t the table of all connections that come from now on. Those that are
// there stay with the route that they have.
func (e *Engine) Swap(t *Table) { e.table.Store(t) }
