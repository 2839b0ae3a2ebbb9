package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/attr"
)

// placeRules is what the reading of routes has to know of where instances may
// come from.
type placeRules struct {
	// noConsul says that a whole configuration is read, and it has no Consul.
	noConsul bool
	// mesh says that it has, and takes part in the mesh.
	mesh bool
}

const noConsul = "No Consul"

// placesKnown is called once the agent's own part is read, and before the routes.
func (r *reader) placesKnown(c *Config, whole bool) {
	r.places = placeRules{
		noConsul: whole && c.Consul == nil,
		mesh:     whole && c.Consul != nil && c.Consul.Connect,
	}
}

// zone reads the gateway's own zone.
func (r *reader) zone(in *consulBlock, c *Consul) {
	c.Zone, c.ZoneMeta = r.Text(in.Zone, ""), r.Text(in.ZoneMeta, "")
	if c.ZoneMeta != "" && c.Zone == "" {
		r.Errorf(in.ZoneMeta.Expr.Range(), "No zone", "The zones of instances make no difference as long as the gateway's own is not set: zone is missing.")
	}
}

// preparedQuery reads what finds a route's instances in place of a service.
func (r *reader) preparedQuery(in *routeBlock, t *Route) {
	at := in.PreparedQuery.Expr.Range()
	if in.Service != nil {
		t.Service = r.Text(in.Service, "")
		r.Errorf(at, "Two kinds of instances", "A route sends its requests to a service or to what a prepared query finds, not to both.")
	}
	t.PreparedQuery = r.Required(in.PreparedQuery, "prepared_query", t.Range)
	switch {
	case t.PreparedQuery == "":
	case strings.ContainsFunc(t.PreparedQuery, func(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune("/?#%", c) }):
		r.Errorf(at, "Invalid prepared_query", "%q can't be the name of a prepared query, nor its ID.", t.PreparedQuery)
	case r.places.noConsul && !r.partial:
		r.Errorf(at, noConsul, "The route %q asks Consul for a prepared query, which needs a consul block in the agent's configuration.", t.Name)
	}
}

// queryMesh is how a route with a prepared query speaks to its instances: never
// through the mesh, since nothing says which service they are of. Where the
// gateway takes part in the mesh, that has to be written down.
func (r *reader) queryMesh(in *routeBlock, mode string) string {
	switch at := in.PreparedQuery.Expr.Range(); {
	case mode == MeshOn:
		r.Errorf(in.Mesh.Expr.Range(), "No prepared queries in the mesh", "Nothing says which service of the mesh a prepared query finds, so its instances can't be known by their identity there.")
	case mode == MeshAuto && r.places.mesh && !r.partial:
		r.Errorf(at, "Past the mesh", `This gateway takes part in the mesh, and what a prepared query finds is spoken to in clear: say mesh = "false" if it may be.`)
	}
	return MeshOff
}

// datacenters reads those that take over from one another.
func (r *reader) datacenters(a *hcl.Attribute, t *Route) []string {
	items := r.Unique(a)
	before := r.Errors()
	for _, i := range items {
		switch low := strings.ToLower(i.Value); {
		case datacenterName(i.Value):
		case datacenterName(low):
			r.Errorf(i.At, "Invalid datacenter", "Consul's names of datacenters are lower-case. Did you mean %q?", low)
		default:
			r.Errorf(i.At, "Invalid datacenter", "The name of a datacenter holds letters, digits, hyphens and underscores.")
		}
	}
	if len(items) == 0 || r.Errors() > before {
		return nil
	}
	static := slices.DeleteFunc(t.Services(), func(s string) bool { return !slices.Contains(r.mesh.static, s) })
	switch at := a.Expr.Range(); {
	case t.PreparedQuery != "":
		r.Errorf(at, "Two kinds of failover", "A prepared query has its own failover to other datacenters, in Consul.")
	case len(t.Services()) == 0:
		r.Errorf(at, "No service", "The route %q has no service that other datacenters could offer.", t.Name)
	case t.Mesh == MeshOn:
		r.Errorf(at, "No other datacenters in the mesh", `Instances in other datacenters are spoken to past the mesh, which mesh = "true" rules out.`)
	case len(static) > 0:
		r.Errorf(at, "Static service in other datacenters", "The service %q is a static one, of which Consul's datacenters know nothing.", static[0])
	case r.places.noConsul && !r.partial:
		r.Errorf(at, noConsul, "The route %q has other datacenters, which needs a consul block in the agent's configuration.", t.Name)
	}
	return attr.Values(items)
}

// datacenterName reports whether s is a name as Consul has them.
func datacenterName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
}
