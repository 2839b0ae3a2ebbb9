package agent

import (
	"context"

	"github.com/lictor/lictor/agent/acme"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
)

// openACME prepares what gets certificates, for the case that a listener asks for
// some, now or after a reload.
func (a *Agent) openACME(c *config.Config) {
	o := acme.Options{DataDir: c.DataDir, UserAgent: "lictor/" + a.options.Version, Logger: a.log.Named("acme")}
	if c.Consul != nil {
		o.OpenKV = func(prefix string) (acme.KV, error) {
			kv, err := consul.NewKV(a.consulConfig(c), prefix)
			if err != nil {
				return nil, err
			}
			return certificateKV{kv}, nil
		}
	}
	a.acme = acme.NewManager(o)
}

// certificateKV is Consul's KV store as certificates need it.
type certificateKV struct{ *consul.KV }

// Put implements acme.KV.
func (k certificateKV) Put(ctx context.Context, key string, text []byte, held acme.Lock) error {
	l, _ := held.(*consul.KVLock) // nil for none
	return k.KV.Put(ctx, key, text, l)
}

// Acquire implements acme.KV.
func (k certificateKV) Acquire(ctx context.Context, key string) (acme.Lock, error) {
	l, err := k.KV.Acquire(ctx, key)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// followCertificates has the certificates kept that the generation's listeners ask
// for, and no others.
func (a *Agent) followCertificates(g *generation) {
	views := make([]*acme.View, 0, len(g.made))
	for _, v := range g.made {
		views = append(views, v)
	}
	a.acme.Follow(views)
}
