package connect

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

// Consul is how this package asks Consul. The calls carry the token that is
// current.
type Consul interface {
	// API returns the client.
	API() *api.Client
	// Options returns the options of a query; index 0 is a plain read, which
	// answers at once.
	Options(ctx context.Context, index uint64, wait time.Duration) *api.QueryOptions
}

// Config says who the gateway is.
type Config struct {
	Consul Consul
	// Service is the gateway's own name in the mesh, which intentions name as
	// their source. The token needs service:write for it.
	Service string
	// Datacenter is where the services are that it asks for. Empty means the
	// one that the leaf names, which is the agent's.
	Datacenter string
	// Logger must not be nil.
	Logger hclog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}
