package proxy

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy/upstream"
)

// Protocol is the HTTP version of a message, or what a passage is of.
type Protocol uint8

// The versions that engines speak.
const (
	HTTP10 Protocol = 10
	HTTP11 Protocol = 11
	HTTP2  Protocol = 20
	HTTP3  Protocol = 30
)

// What passages are of: see Passage.
const (
	TCP Protocol = 1 // bytes that nobody looks at
	TLS Protocol = 2 // TLS between the client and the instance, of which the name is known
)

// String returns the version as logs and Via spell it.
func (p Protocol) String() string {
	switch p {
	case HTTP10:
		return "HTTP/1.0"
	case HTTP11:
		return "HTTP/1.1"
	case HTTP2:
		return "HTTP/2.0"
	case HTTP3:
		return "HTTP/3.0"
	case TCP:
		return "TCP"
	case TLS:
		return "TLS"
	}
	return "HTTP/?"
}

// Unknown is the Length of a body whose end is told by its framing only.
const Unknown int64 = -1

// Request is what the client asked. The engine fills it in before Serve; steps
// may edit Path and Fields, and what they leave is what goes upstream.
type Request struct {
	Method   []byte
	Verb     Method
	Target   []byte // as received (RFC 9112 section 3.2), for the log
	Path     []byte // begins with "/", or is "*"
	Query    []byte // without the "?"
	HasQuery bool   // tells "/a?" from "/a"
	Host     []byte // with its port; the authority of an absolute target
	Protocol Protocol
	Fields   Fields
	Length   int64 // of the body, Unknown for chunked ones and HTTP/2 without a length
	Body     Body  // nil when there is none
	// WebSocket says that the client asked to switch to that protocol (RFC
	// 6455 section 4.1). It is the only upgrade that is passed on.
	WebSocket bool
}

// Response is what the client is told. Forward fills it in, or Answer does.
type Response struct {
	Status int
	Fields Fields
	Length int64 // Unknown when the framing tells the end
	Body   Body  // nil when there is none
	// Tunnel is the stream to the instance after a 101 response, else nil.
	Tunnel Stream
}

// Stream is a connection to an instance that has become a tunnel.
type Stream interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	Close() error
}

// Conn is what the pipeline may know of a client's connection. The engine fills
// it in when it accepts one.
type Conn struct {
	Listener *Listener
	Peer     netip.AddrPort // the other end, after PROXY protocol; IPv4 is never mapped into IPv6
	Trusted  bool           // the peer is one of the listener's trusted proxies
	TLS      bool
	text     [48]byte
	textLen  uint8
	cert     atomic.Pointer[ClientCertificate] // requests of one connection may run side by side
}

// NewConn describes a connection that a listener accepted.
func NewConn(l *Listener, peer netip.AddrPort, tls bool) *Conn {
	c := &Conn{Listener: l, Peer: netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port()), TLS: tls}
	c.Trusted = l.trusts(c.Peer.Addr())
	c.textLen = uint8(len(c.Peer.Addr().AppendTo(c.text[:0]))) //nolint:gosec // an address has at most 45 letters
	return c
}

// PeerText returns the peer's address in letters, without its port.
func (c *Conn) PeerText() []byte { return c.text[:c.textLen] }

// Exchange is one request and its response on their way through the pipeline.
// An engine lends one to Handler.Serve and may use it again afterwards.
type Exchange struct {
	Request  Request
	Response Response
	W        Responder
	Conn     *Conn

	// Client is who asks, behind trusted proxies.
	Client netip.Addr
	// Start is the one reading of the clock that limits, logs and metrics use.
	Start limits.Time
	// Deadline is when the response's head must be there, on Start's monotonic
	// clock; 0 for no bound. See Forwarder for bodies that take their time.
	Deadline time.Duration

	Route    *Route
	Endpoint *upstream.Endpoint

	// Identity is who a verified token says the client is, nil when no step has
	// verified one.
	Identity Identity
	// User is who a password or a key has proven the client to be.
	User User

	// Verdicts lists the limits that were asked, in order.
	Verdicts []Verdict

	BytesIn, BytesOut int64
	Retries           int
	// Upstream is which HTTP the endpoint is spoken to by, for the engine that
	// does; 0 as long as none, or one that does not say, has been asked.
	Upstream      Protocol
	UpstreamStart time.Duration // monotonic, when the last attempt began; 0 for none
	UpstreamEnd   time.Duration // monotonic, when the head came
	// Problem is the answer that the gateway made itself, nil for a forwarded one.
	Problem *Problem
	// Err is the cause behind a Problem or a broken exchange, for the log only.
	Err error

	// Server and Client halves of engines keep their scratch here.
	Scratch any

	p         *Proxy
	logs      *logSet // nil for none
	trace     Trace
	attempt   upstream.Attempt
	kept      keptBody
	headOut   bool                    // the response's head went out
	complete  bool                    // and all of it
	lent      bool                    // the forwarder may hold a connection for it
	explained bool                    // no client has sent it: nothing is counted
	foretell  func(x *Exchange) error // what its permit would say, nil for not to ask one
	requestID []byte
	received  []byte // the path before it was normalised, for the log
	origin    []byte // the request's, for the steps that see answers
	matched   []byte // the path by which the route was found; nil before that

	dialect   grpcDialect // of KeepDialect
	stripped  bool        // the route's prefix has been taken off the path
	requeried bool        // a step has changed the query
	pathOut   []byte      // of SetPath
	queryOut  []byte      // of SetQuery

	receivedQuery []byte // before that

	noted     []byte // of the response, for the log
	notedEnds []int  // in it, one for each name

	idText    [128]byte
	pathText  []byte
	pathSpace [512]byte
	space     []byte
	space0    [256]byte
	answer    []byte
	answer0   [1024]byte
	verdicts0 [8]Verdict
	held      []held
	held0     [4]held
	chain     forwardChain
}

// Identity is who a verified token says the client is. It is immutable and may
// outlive the exchange.
type Identity interface {
	// Provider names the policy block that vouches for the token.
	Provider() string
	// Claim walks the token's claims by the path and returns a string, number or
	// bool as text, numbers as they were written. ok is false for anything else.
	Claim(path []string) (value string, ok bool)
}

// RequestID returns the id that log, instance and client share.
func (x *Exchange) RequestID() []byte { return x.requestID }

// Space returns an empty slice of the exchange's own, for a step to append to.
// What it held is void with the next call.
func (x *Exchange) Space() []byte {
	if x.space == nil {
		x.space = x.space0[:0]
	}
	return x.space[:0]
}

// Elapsed returns the time since the exchange began.
func (x *Exchange) Elapsed() time.Duration { return x.p.clock.Now().Mono - x.Start.Mono }

// Remaining returns the time until the deadline. It may be negative; ok is
// false when there is no bound.
func (x *Exchange) Remaining() (d time.Duration, ok bool) {
	if x.Deadline == 0 {
		return 0, false
	}
	return x.Deadline - x.p.clock.Now().Mono, true
}

// begin makes a used Exchange ready for its next request.
func (x *Exchange) begin(p *Proxy) {
	x.p, x.logs = p, p.logs.Load()
	x.notedEnds = x.notedEnds[:0]
	x.Start = p.clock.Now()
	x.Client = netip.Addr{}
	x.Deadline = 0
	x.Route, x.Endpoint, x.Identity = nil, nil, nil
	x.User = User{}
	x.Verdicts = x.verdicts0[:0]
	x.held = x.held0[:0]
	x.BytesIn, x.BytesOut = 0, 0
	x.Retries, x.Upstream = 0, 0
	x.UpstreamStart, x.UpstreamEnd = 0, 0
	x.Problem, x.Err = nil, nil
	x.attempt = upstream.Attempt{}
	x.headOut, x.complete, x.explained, x.foretell = false, false, false, nil
	x.requestID, x.received, x.matched = nil, x.Request.Path, nil
	x.origin = nil
	x.dialect = notGRPC
	x.resetTrace()
	if x.pathText == nil {
		x.pathText = x.pathSpace[:0]
	}
	x.stripped, x.requeried, x.receivedQuery = false, false, nil
	x.Response.Status, x.Response.Length = 0, 0
	x.Response.Body, x.Response.Tunnel = nil, nil
}
