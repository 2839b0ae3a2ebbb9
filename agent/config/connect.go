package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Values of Route.Mesh.
const (
	// MeshAuto speaks through the mesh once the service offers that, and in
	// clear as long as it never has.
	MeshAuto = "auto"
	// MeshOn speaks through the mesh only.
	MeshOn = "true"
	// MeshOff never does.
	MeshOff = "false"
)

// connectBlock is the gateway's part in the service mesh.
type connectBlock struct {
	Enabled *hcl.Attribute `hcl:"enabled,optional"`
}

// meshRules is what the reading of listeners and routes has to know of the mesh.
type meshRules struct {
	// listeners are where listeners say mesh = true.
	listeners []hcl.Range
	// none says that there is no mesh: a whole configuration is read, and it
	// does not enable one.
	none bool
	// static are the names of static services, which no mesh knows.
	static []string
}

const noMesh = `which needs a block consul { connect { enabled = true } } in the agent's configuration`

// connect reads whether the gateway takes part in the mesh.
func (r *reader) connect(in *connectBlock) bool {
	return in != nil && r.Bool(in.Enabled, false)
}

// listenerMesh reads whether a listener is a destination in the mesh.
func (r *reader) listenerMesh(a *hcl.Attribute, l *Listener) {
	l.Mesh = r.Bool(a, false)
	if !l.Mesh {
		return
	}
	r.mesh.listeners = append(r.mesh.listeners, a.Expr.Range())
	if l.TLS != nil {
		r.Errorf(a.Expr.Range(), "Two kinds of TLS", "A listener in the mesh shows the certificate that Consul gives it, so it can't have a tls block.")
	}
}

// meshKnown is called once the agent's own part is read, and before the routes.
func (r *reader) meshKnown(c *Config, whole bool) {
	r.mesh.none = whole && (c.Consul == nil || !c.Consul.Connect)
	for _, s := range c.Services {
		r.mesh.static = append(r.mesh.static, s.Name)
	}
	if !r.mesh.none || r.partial {
		return
	}
	for _, at := range r.mesh.listeners {
		r.Errorf(at, "No mesh", "This listener takes connections from the service mesh, %s.", noMesh)
	}
}

// routeMesh reads how a route speaks to its instances. A route that says
// otherwise how to, or names a port that a sidecar does not have, speaks past
// the mesh unless it asks for it.
func (r *reader) routeMesh(a *hcl.Attribute, t *Route) string {
	mode := r.Enum(a, MeshAuto, MeshAuto, MeshOn, MeshOff)
	if mode != MeshOn {
		if t.UpstreamTLS != nil || t.Port != "" {
			return MeshOff
		}
		return mode
	}
	at := a.Expr.Range()
	switch {
	case t.UpstreamTLS != nil:
		r.Errorf(at, "Two kinds of TLS", "Through the mesh an instance is known by its identity there, so upstream_tls has no part in it.")
	case t.Port != "":
		r.Errorf(at, "No ports in the mesh", "A sidecar has one port, so the port %q can't be asked for through the mesh.", t.Port)
	case slices.Contains(r.mesh.static, t.Service):
		r.Errorf(at, "Static service in the mesh", "The service %q is a static one, which Consul's mesh does not know.", t.Service)
	case r.mesh.none && !r.partial:
		r.Errorf(at, "No mesh", "The route %q speaks through the service mesh, %s.", t.Name, noMesh)
	}
	return mode
}

// MeshService returns the name by which the gateway is known in the mesh.
func (c *Consul) MeshService() string {
	if c.Service != nil {
		return c.Service.Name
	}
	return defaultServiceName
}
