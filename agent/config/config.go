package config

import (
	"net/netip"
	"time"

	"github.com/lictor/lictor/agent/acme"
	"github.com/lictor/lictor/agent/certs"
)

// Config is one whole configuration of an agent. Nobody changes it once it has
// been loaded.
type Config struct {
	// NodeName is the name of this gateway in logs; the hostname by default.
	NodeName string
	// LogLevel is TRACE, DEBUG, INFO, WARN or ERROR.
	LogLevel string
	LogJSON  bool
	// DataDir is the directory for what should survive a restart; empty means
	// that nothing does.
	DataDir string

	Listeners []Listener
	Admin     Admin
	// Consul is nil when the gateway takes nothing from Consul.
	Consul *Consul
	// Store is nil when no limit can be shared.
	Store *Store
	// Services are the static ones, which Consul does not know.
	Services  []Service
	Policies  Policies
	Drain     Drain
	Telemetry Telemetry
	Tracing   Tracing
	// AccessLogs are where the lines of requests go; at least one.
	AccessLogs []AccessLog
	// ErrorPages replace the bodies of answers that the gateway makes itself.
	ErrorPages []ErrorPage

	// Policy is what the policy blocks of all files say together.
	Policy Policy
}

// Values of Listener.Forwarded.
const (
	ForwardedX        = "x-forwarded-for"
	ForwardedStandard = "forwarded"
)

// Values of Listener.ProxyProtocol.
const (
	ProxyOff      = "off"
	ProxyOptional = "optional"
	ProxyRequired = "required"
)

// Values of Listener.Engine.
const (
	EngineHTTP1   = "http1"
	EngineNetHTTP = "nethttp"
)

// Values of Listener.Protocol.
const (
	ProtocolHTTP = "http"
	ProtocolTCP  = "tcp"
)

// Listener is one address that takes requests, or connections.
type Listener struct {
	Name string
	// Protocol is ProtocolHTTP, or ProtocolTCP for connections that are carried as
	// they are.
	Protocol string
	// Address is host:port; an empty host stands for every address and port 0
	// for any free one.
	Address string
	// TrustedProxies are the peers whose forwarding field is believed; none by
	// default.
	TrustedProxies []netip.Prefix
	// Forwarded is the one field that is read: ForwardedX or ForwardedStandard.
	Forwarded string
	// ProxyProtocol is ProxyOff, ProxyOptional or ProxyRequired: whether the
	// trusted proxies begin a connection by saying whose it is.
	ProxyProtocol string
	// TLS is nil for a listener in clear.
	TLS *certs.ServerSpec
	// ACME is how the listener gets certificates by itself, besides those in
	// files; nil for not at all. It is set beside TLS only.
	ACME *acme.Want
	// Mesh says that the listener takes connections of services in the mesh, and
	// of nobody else.
	Mesh bool
	// HealthPath is answered by the gateway itself; empty means none.
	HealthPath string
	// MergeSlashes says that "//" in a path is read as "/".
	MergeSlashes bool
	// RejectEncodedSlashes says that a path with "%2F" is refused.
	RejectEncodedSlashes bool
	// ReadHeaderTimeout bounds the time from the first byte of a request to
	// the end of its head, and that for a ClientHello.
	ReadHeaderTimeout time.Duration
	// IdleTimeout bounds the time between two requests of a connection.
	IdleTimeout time.Duration
	// MaxHeaderBytes bounds the head of a request, in bytes.
	MaxHeaderBytes int64
	// MaxConnections bounds the open connections; 0 means no bound.
	MaxConnections int
	// Engine speaks HTTP/1.1: EngineHTTP1 or EngineNetHTTP.
	Engine string
	// RedirectPort is where clients that come in clear are sent to, by TLS; 0
	// means that they are served.
	RedirectPort uint16
	// HSTS is the value of Strict-Transport-Security; empty for none.
	HSTS string
	// HTTP2 bounds what one connection of HTTP/2 may ask for.
	HTTP2 HTTP2
	// HTTP3 is nil for a listener that does not speak it.
	HTTP3 *HTTP3
}

// HTTP3 is how a listener with TLS speaks HTTP/3, on the UDP port of its address.
type HTTP3 struct {
	// Port is what clients are told; 0 stands for the listener's own.
	Port uint16
	// MaxAge is how long they may remember it, in whole seconds.
	MaxAge time.Duration
	// EarlyData lets those that come back send safe requests with their first
	// datagram.
	EarlyData bool
}

// HTTP2 bounds what one connection of HTTP/2 may ask for.
type HTTP2 struct {
	// MaxConcurrentStreams bounds the requests that are open at a time.
	MaxConcurrentStreams int
	// MaxWastedFrames bounds the frames that bring no request any further, ahead
	// of those that do; 0 means no bound.
	MaxWastedFrames int
}

// Admin is the JSON API, metrics and ui.
type Admin struct {
	Address string
	// TokenFile holds the bearer token; empty means that none is asked for,
	// which only a loopback address may have.
	TokenFile string
	// Hosts are the names that a Host header may carry, besides IP literals
	// and localhost.
	Hosts []string
}

// Consul is how the agent of Consul is reached. Empty strings stand for
// Consul's own environment variables.
type Consul struct {
	Address    string
	TokenFile  string
	Datacenter string
	// Zone is the gateway's own zone, whose instances come first; empty makes no
	// difference between zones. ZoneMeta is the key of node metadata that holds a
	// zone where no locality says it.
	Zone, ZoneMeta string
	// Login gets the token; nil means that it is in TokenFile, or in the
	// environment.
	Login *Login
	// RequireServiceCheck says that an instance of a service that declares
	// checks is eligible only once one of them has passed.
	RequireServiceCheck bool
	// MaxStale is how long the catalog may be unreachable before readiness
	// fails.
	MaxStale time.Duration
	// FabioTags says that tags of services as fabio reads them become routes.
	FabioTags bool
	// Service registers this gateway; nil means that it isn't.
	Service *Registration
	// Connect says that the gateway takes part in the service mesh, under the
	// name that it registers, or else "lictor".
	Connect bool
}

// Registration is the service that this gateway is registered as.
type Registration struct {
	Name string
	Tags []string
}

// Service is a static service.
type Service struct {
	Name      string
	Instances []Instance
	// Check is nil when the instances aren't checked and count as healthy.
	Check *Check
}

// Instance is one instance of a static service.
type Instance struct {
	Address string // an IP address or a host name
	Port    int
	Weight  int // at least 1
}

// Check is how the gateway itself checks the instances of a static service.
// Exactly one of HTTP and TCP is set.
type Check struct {
	HTTP           string // a path
	TCP            bool   // a connection passes
	Interval       time.Duration
	Timeout        time.Duration
	HealthyAfter   int // passes in a row
	UnhealthyAfter int // failures in a row
	// Status lists the status codes that pass an HTTP check; none stands for 200
	// to 299.
	Status []int
}

// Policies is where policy files are.
type Policies struct {
	// Paths are files and directories.
	Paths []string
	// KVPrefix is where policies lie in Consul's KV store; empty means nowhere.
	KVPrefix string
	// Watch says to reload when one of the files changes.
	Watch bool
}

// Drain is how the gateway leaves.
type Drain struct {
	// Delay is the time between failing readiness and closing the listeners.
	Delay time.Duration
	// Timeout bounds the wait for requests in flight.
	Timeout time.Duration
	// UpgradeTimeout does so where another process has taken over.
	UpgradeTimeout time.Duration
}

// Telemetry is where metrics go.
type Telemetry struct {
	MetricsPrefix string
	Prometheus    bool
	// StatsdAddress and DogstatsdAddr are host:port; empty means not to send.
	StatsdAddress string
	DogstatsdAddr string
}
