package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lictor/lictor/agent/acme"
	"github.com/lictor/lictor/agent/certs"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
)

// instanceTLS are the ways in which instances are spoken to by TLS, one object
// for each, which outlives reloads because connections are told apart by it. One
// that no route asks for any more is kept: there are as many as were ever
// configured.
type instanceTLS struct {
	mu  sync.Mutex
	all map[certs.ClientSpec]*certs.Client
}

// client returns the object for the spec.
func (i *instanceTLS) client(spec certs.ClientSpec) (*certs.Client, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if c := i.all[spec]; c != nil {
		return c, nil
	}
	c, err := certs.LoadClient(spec)
	if err != nil {
		return nil, err
	}
	if i.all == nil {
		i.all = make(map[certs.ClientSpec]*certs.Client)
	}
	i.all[spec] = c
	return c, nil
}

// buildTLS reads what the listeners show.
func (a *Agent) buildTLS(g *generation) error {
	var errs []error
	g.certificates, g.made = make(map[string]*certs.ServerSet), make(map[string]*acme.View)
	for i := range g.config.Listeners {
		l := &g.config.Listeners[i]
		if l.TLS == nil {
			continue
		}
		set, err := a.loadServer(g, l)
		if err != nil {
			errs = append(errs, fmt.Errorf("listener %q: %w", l.Name, err))
			continue
		}
		if !l.TLS.NoStapling {
			set.StapleBy(a.staples.Stapler)
		}
		g.certificates[l.Name] = set
	}
	return errors.Join(errs...)
}

// loadServer reads what one listener shows, and notes what it shows of certificates
// that the gateway gets by itself.
func (a *Agent) loadServer(g *generation, l *config.Listener) (*certs.ServerSet, error) {
	if l.ACME == nil {
		return certs.LoadServer(*l.TLS, nil)
	}
	view, err := a.acme.View(*l.ACME)
	if err != nil {
		return nil, err
	}
	g.made[l.Name] = view
	return certs.LoadServer(*l.TLS, view)
}

// upstreamTLS returns how the instances of a route are spoken to, nil for in
// clear.
func (a *Agent) upstreamTLS(g *generation, r *config.Route) (proxy.UpstreamTLS, error) {
	if r.UpstreamTLS == nil {
		return nil, nil //nolint:nilnil // in clear is no error
	}
	c, err := a.instanceTLS.client(*r.UpstreamTLS)
	if err != nil {
		return nil, fmt.Errorf("route %q: %w", r.Name, err)
	}
	g.clients = append(g.clients, c)
	return c, nil
}

// showCertificates lets the listeners go on with what the generation has read.
func (a *Agent) showCertificates(g *generation) {
	for _, s := range a.servers {
		if set := g.certificates[s.listener.Name]; s.certs != nil && set != nil {
			s.certs.Adopt(set)
		}
	}
	for _, c := range g.clients {
		c.Look(a.log.Named("tls"))
	}
	a.followCertificates(g)
	a.followStaples()
}

// watchCertificates reads certificates again when their files change.
func (a *Agent) watchCertificates(ctx context.Context) {
	log := a.log.Named("tls")
	certs.Watch(ctx, func(now time.Time) {
		for _, s := range a.servers {
			if s.certs != nil {
				s.certs.Look(now)
			}
		}
		a.followStaples()
		for _, c := range a.current.Load().clients {
			c.Look(log)
		}
	})
}

// Certificates returns what each listener with TLS shows now, by its name.
func (a *Agent) Certificates() map[string][]certs.Status {
	out := make(map[string][]certs.Status)
	for _, s := range a.servers {
		if s.certs != nil {
			out[s.listener.Name] = s.certs.Certificates()
		}
	}
	return out
}
