package consul

import (
	"net/netip"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

// Config says which Consul agent to ask, and how. The zero value asks the agent
// that Consul's own environment variables name (CONSUL_HTTP_ADDR,
// CONSUL_HTTP_TOKEN, CONSUL_CACERT ...), or else 127.0.0.1:8500.
type Config struct {
	// Address of the agent: "host:port", or with "http://", "https://" or
	// "unix://" before it. Empty means the environment's.
	Address string
	// TokenFile holds the ACL token. It is read again when it changes, and
	// comes before Token. Both empty mean the environment's.
	TokenFile string
	Token     string
	// Login comes before both, and before the environment's token.
	Login *Login
	// Datacenter to ask for; empty means the agent's own.
	Datacenter string
	// ZoneMeta is the key of node metadata that holds an instance's zone, where
	// neither the instance nor its node says it as its locality. Empty looks at
	// none.
	ZoneMeta string
	// Namespace and Partition exist in Consul Enterprise only. The Community
	// Edition refuses requests that carry them, so they are sent only when set
	// here or in the environment.
	Namespace string
	Partition string

	// RequireServiceCheck makes an instance of a service that declares checks
	// eligible only once it has a check of its own that has passed. See the
	// type declares for what Consul's data can show of this.
	RequireServiceCheck bool
	// NodeName is the name of the node that the agent runs on, where the token
	// may not ask the agent (agent:read). Loopback addresses and Unix sockets
	// are eligible on that node only. Empty means to ask.
	NodeName string
	// Own reports whether an address is one of the gateway's own listeners,
	// which is never eligible. Nil means that there are none. It is called from
	// several goroutines.
	Own func(netip.AddrPort) bool
	// DataDir is the directory for the last good catalog. Empty keeps none.
	DataDir string
	// PlainWatches bounds the watches that have a connection each while the
	// agent is asked without TLS; see sharer. 0 means 100.
	PlainWatches int

	// Logger must not be nil.
	Logger hclog.Logger
	// API is what the client is built from: TLS, basic authentication, an HTTP
	// client. What is set above comes before it. Nil means the environment's.
	// It is not changed.
	API *api.Config
}
