package agent

import (
	"cmp"
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy/upstream"
)

// ownDatacenter returns the name of the datacenter that services are looked for
// in unless a route says otherwise, empty while it is not known.
func (a *Agent) ownDatacenter() string {
	if c := a.config.Consul; c != nil && c.Datacenter != "" {
		return c.Datacenter
	}
	own, _ := a.datacenter.Load().(string)
	return own
}

// zoneOf returns the gateway's own zone, empty where it has none.
func zoneOf(c *config.Config) string {
	if c.Consul == nil {
		return ""
	}
	return c.Consul.Zone
}

// learnDatacenter takes in how our own datacenter is called, which may change the
// order of those that a route lists. Like what the mesh learns, it doesn't wait
// for routes to follow.
func (a *Agent) learnDatacenter(snap *catalog.Snapshot) {
	if snap.Datacenter == "" || snap.Datacenter == a.ownDatacenter() {
		return
	}
	a.datacenter.Store(snap.Datacenter)
	a.ways.Add(1)
	select {
	case a.placed <- struct{}{}:
	default:
	}
}

// runPlaces has routes follow, until ctx is done.
func (a *Agent) runPlaces(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.placed:
			a.remesh()
		}
	}
}

// inOrder returns the names of a service in its own datacenter and in the listed
// ones: the own one first unless it is listed.
func inOrder(service, own string, datacenters []string) []string {
	names := make([]string, 0, 1+len(datacenters))
	if own == "" || !slices.Contains(datacenters, own) {
		names = append(names, service)
	}
	for _, dc := range datacenters {
		if dc == own {
			dc = ""
		}
		names = append(names, catalog.InDatacenter(service, dc))
	}
	return names
}

// elsewhere adds the route's other datacenters to a way past the mesh. Through
// the mesh there are none: that takes gateways between the datacenters. A route
// that leaves it to the service whether to go through the mesh uses those
// datacenters alone of which Consul has said that nobody there offers it.
func (a *Agent) elsewhere(w way, r *config.Route) way {
	if len(r.Datacenters) == 0 {
		return w
	}
	if w.secure != nil {
		if a.mesh.offers(r.Service) {
			a.log.Warn("route goes through the mesh, so no other datacenter takes over", "route", r.Name, "service", r.Service)
		}
		return w
	}
	var order []string
	for _, name := range inOrder(r.Service, a.ownDatacenter(), r.Datacenters) {
		if name != r.Service {
			w.followed = append(w.followed, name)
			if a.mesh != nil && r.Mesh != config.MeshOff {
				w.followed = append(w.followed, catalog.MeshName(name))
				if !a.mesh.lacks(name) {
					continue
				}
			}
		}
		order = append(order, name)
	}
	w.pool, w.fallbacks = order[0], order[1:]
	return w
}

// lacks reports whether it is certain that nobody offers the service through the
// mesh.
func (m *mesh) lacks(service string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lacking[service]
}

// offers reports whether the service has been seen to offer the mesh.
func (m *mesh) offers(service string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.offered[service]
}

// uses reports whether the pool sends requests to the service of that name to
// the catalog.
func uses(p *upstream.Pool, name string) bool {
	return slices.ContainsFunc(p.Tiers(), func(tier *upstream.Pool) bool { return tier.Service() == name })
}

// FailoverInfo is one element of the failover of GET /v1/services: routes whose
// service other datacenters take over.
type FailoverInfo struct {
	Service string   `json:"service"`
	Routes  []string `json:"routes"`
	// Datacenters are all of them in order, the gateway's own as "own" while its
	// name is not known; Serving is the one that requests go to, empty when
	// none has a healthy instance.
	Datacenters []string `json:"datacenters"`
	Serving     string   `json:"serving"`
	Switches    uint64   `json:"switches"`
}

// failover describes what other datacenters may take over.
func (a *Agent) failover(g *generation) []FailoverInfo {
	list := []FailoverInfo{}
	place := make(map[*upstream.Pool]int)
	for _, r := range g.everyRoute() {
		for _, p := range r.Pool.Failovers() {
			st, _ := a.set.Failover(p)
			if i, there := place[p]; there {
				list[i].Routes = append(list[i].Routes, r.Name())
				continue
			}
			v := FailoverInfo{Service: serviceFor(r, st.Services[0]), Routes: []string{r.Name()}, Switches: st.Switches}
			for _, name := range st.Services {
				v.Datacenters = append(v.Datacenters, a.datacenterOf(name))
			}
			if st.Serving != "" {
				v.Serving = a.datacenterOf(st.Serving)
			}
			place[p] = len(list)
			list = append(list, v)
		}
	}
	return list
}

// datacenterOf returns where the service of a name is.
func (a *Agent) datacenterOf(name string) string {
	_, dc := catalog.CutDatacenter(name)
	return cmp.Or(dc, a.ownDatacenter(), "own")
}

// placeDescs are the metrics of where requests go.
type placeDescs struct{ serving, switches, local *prometheus.Desc }

func newPlaceDescs(desc func(name, help string, labels ...string) *prometheus.Desc) placeDescs {
	return placeDescs{
		serving:  desc("failover_serving", "1 for the datacenter that a route's requests go to, 0 for the others.", "route", "datacenter"),
		switches: desc("failover_switches_total", "Changes of the datacenter that a route's requests go to.", "route"),
		local:    desc("zone_local_share", "Share of a route's requests that stays in the gateway's zone.", "route"),
	}
}

// collect tells of the routes that have other datacenters, or instances in more
// zones than the gateway's.
func (d *placeDescs) collect(out chan<- prometheus.Metric, a *Agent, g *generation) {
	type place struct{ route, datacenter string }
	serving, switches := map[place]float64{}, map[string]uint64{} // of all shares of a route together
	for _, v := range a.failover(g) {
		for _, route := range v.Routes {
			switches[route] += v.Switches
			for _, dc := range v.Datacenters {
				at := place{route, dc}
				if serving[at] += 0; dc == v.Serving {
					serving[at] = 1
				}
			}
		}
	}
	for route, n := range switches {
		counter(out, d.switches, float64(n), route)
	}
	for at, serves := range serving {
		gauge(out, d.serving, serves, at.route, at.datacenter)
	}
	for _, r := range g.everyRoute() {
		if share, divided := r.Pool.Local(); divided {
			gauge(out, d.local, share, r.Name())
		}
	}
}
