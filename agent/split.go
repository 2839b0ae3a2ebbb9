package agent

import (
	"fmt"
	"slices"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// sendSplit is send for a route that splits its requests: each share goes as a route
// to its service alone would go, and all of them are one pool.
func (a *Agent) sendSplit(g *generation, r *config.Route, out *proxy.Route) error {
	own, err := a.upstreamTLS(g, r)
	if err != nil {
		return err
	}
	spec := upstream.PoolSpec{Balance: r.Balance, MaxConnections: r.MaxConnections, Turns: r.Name}
	var ways []proxy.Way
	var services []string
	for i := range r.Split {
		s := &r.Split[i]
		part := r.Part(s)
		w := a.elsewhere(a.mesh.way(g.config, part), part)
		g.services = append(g.services, w.followed...)
		services = append(services, s.Service)
		spec.Split = append(spec.Split, upstream.Share{
			Weight: s.Weight, Service: w.pool, Fallbacks: w.fallbacks, Tags: s.Tags, Port: s.Port,
		})
		for _, name := range append([]string{w.pool}, w.fallbacks...) {
			if slices.ContainsFunc(ways, func(other proxy.Way) bool { return other.Name == name }) {
				continue
			}
			one := proxy.Way{Name: name, Service: s.Service, TLS: own}
			if w.secure != nil {
				one.TLS = w.secure
			}
			ways = append(ways, one)
		}
	}
	if out.Pool, err = a.set.Pool(spec); err != nil {
		return fmt.Errorf("route %q: %w", r.Name, err)
	}
	out.UpstreamTLS, out.Ways, out.Shares = nil, ways, services
	return nil
}

// destinations are the services of the mesh that a route's requests go to.
func destinations(r *proxy.Route) []*connect.Destination {
	all := []proxy.UpstreamTLS{r.UpstreamTLS}
	for i := range r.Ways {
		all = append(all, r.Ways[i].TLS)
	}
	var list []*connect.Destination
	for _, t := range all {
		if d, ok := t.(*connect.Destination); ok {
			list = append(list, d)
		}
	}
	return list
}

// serviceFor returns what a route calls the service of that name to the catalog.
func serviceFor(r *proxy.Route, name string) string {
	for i := range r.Ways {
		if r.Ways[i].Name == name {
			return r.Ways[i].Service
		}
	}
	return r.Service
}
