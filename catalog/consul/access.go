package consul

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"
)

// Access is the way to the agent for what else the gateway asks it: by the same
// configuration as a Source, and with the token that is current.
type Access struct{ con *client }

// NewAccess returns an access that asks nothing by itself. It fails when the
// client can't be built, or the token file or the TLS files can't be read.
func NewAccess(cfg Config) (*Access, error) {
	con, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	return &Access{con: con}, nil
}

// API returns the client. Its calls must be made with Options.
func (a *Access) API() *api.Client { return a.con.api }

// Options returns the options of a query to the agent's own datacenter. Index 0
// is a plain read, which answers at once; wait is how long another one may be
// held.
func (a *Access) Options(ctx context.Context, index uint64, wait time.Duration) *api.QueryOptions {
	o := &api.QueryOptions{Token: a.con.token.current()}
	if index > 0 {
		o.WaitIndex, o.WaitTime = index, wait
	}
	return o.WithContext(a.con.token.use(ctx))
}

// Run keeps the token current until ctx is done.
func (a *Access) Run(ctx context.Context) { a.con.token.run(ctx, func() {}) }
