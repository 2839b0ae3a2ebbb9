package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/catalog"
)

// Bounds of a split, which are those of what divides the requests.
const (
	MaxShares      = 32
	MaxShareWeight = 1_000_000
)

// Share is one of those among whom a route divides its requests.
type Share struct {
	Service string
	// Weight is its part of the sum of all weights; 0 gets nothing.
	Weight int
	// Tags and Port are as in Route.
	Tags []string
	Port string
	// Range is where the block begins.
	Range hcl.Range
}

type splitBlock struct {
	Service string         `hcl:"service,label"`
	Weight  *hcl.Attribute `hcl:"weight,optional"`
	Tags    *hcl.Attribute `hcl:"tags,optional"`
	Port    *hcl.Attribute `hcl:"port,optional"`

	Range hcl.Range `hcl:",def_range"`
}

// Forwards reports whether the route sends requests to instances.
func (r *Route) Forwards() bool {
	return r.Service != "" || r.PreparedQuery != "" || len(r.Split) > 0
}

// Services returns the services that requests go to, each once, in the order in which
// they are written.
func (r *Route) Services() []string {
	if r.Service != "" {
		return []string{r.Service}
	}
	var names []string
	for i := range r.Split {
		if s := r.Split[i].Service; !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	return names
}

// MainService is what stands for the service of the route where its requests have no
// instance yet: the service itself, the first one of a split, or the name by which what
// a prepared query finds is followed.
func (r *Route) MainService() string {
	switch {
	case r.PreparedQuery != "":
		return catalog.QueryName(r.PreparedQuery)
	case len(r.Split) > 0:
		return r.Split[0].Service
	}
	return r.Service
}

// Part returns the route as it would be with nothing but one share. A named port is
// past the mesh, as in a route of one service.
func (r *Route) Part(s *Share) *Route {
	part := *r
	part.Split, part.Service, part.Tags, part.Port = nil, s.Service, s.Tags, s.Port
	if s.Port != "" && part.Mesh == MeshAuto {
		part.Mesh = MeshOff
	}
	return &part
}

// split reads among whom a route divides its requests.
func (r *reader) split(in *routeBlock, t *Route) {
	for _, a := range []*hcl.Attribute{in.Service, in.PreparedQuery} {
		if a != nil {
			r.Errorf(a.Expr.Range(), "Two kinds of instances", "The requests of a route with split blocks go to the services that these name, and nowhere else: leave %s out.", a.Name)
		}
	}
	for _, a := range []*hcl.Attribute{in.Tags, in.Port} {
		if a != nil {
			r.Errorf(a.Expr.Range(), "Misplaced "+a.Name, "Each split block says for itself which instances of its service it is about: write %s there.", a.Name)
		}
	}
	before := r.Errors()
	sum := 0
	for i := range in.Split {
		s := r.share(&in.Split[i])
		if t.Last && r.remote.statics[s.Service] {
			r.leftOut(s.Range, s.Service)
			continue
		}
		sum += s.Weight
		if other := slices.IndexFunc(t.Split, s.same); other >= 0 {
			r.Errorf(s.Range, "Duplicate split block", "The same instances have a split block at %s: add the weights up.", t.Split[other].Range)
			continue
		}
		t.Split = append(t.Split, s)
	}
	switch {
	case len(in.Split) > MaxShares:
		r.Errorf(t.Range, "Too many split blocks", "The route %q has %d split blocks, of at most %d.", t.Name, len(in.Split), MaxShares)
	case sum == 0 && t.Last && len(t.Split) > 0: // whoever had it all was left out
		for i := range t.Split {
			t.Split[i].Weight = 1
		}
	case sum == 0 && r.Errors() == before:
		r.Errorf(in.Split[0].Range, "No weight", "All split blocks of the route %q have the weight 0, so that nobody would get its requests.", t.Name)
	}
}

func (r *reader) share(in *splitBlock) Share {
	s := Share{Service: in.Service, Range: in.Range, Tags: attr.Values(r.Unique(in.Tags)), Port: r.Text(in.Port, "")}
	if s.Service == "" {
		r.Errorf(s.Range, "Empty service", "The label of a split block is the name of a service.")
	}
	if in.Weight == nil {
		r.Errorf(s.Range, "Missing weight", "A split block says by weight how many of the route's requests it gets: its part of the sum of all weights.")
		return s
	}
	s.Weight = r.integer(in.Weight, 0, 0, MaxShareWeight)
	return s
}

// same reports whether both are about the same instances.
func (s *Share) same(o Share) bool {
	return s.Service == o.Service && s.Port == o.Port &&
		slices.Equal(slices.Sorted(slices.Values(s.Tags)), slices.Sorted(slices.Values(o.Tags)))
}

// splitMesh refuses what no share of a route that insists on the mesh can have.
func (r *reader) splitMesh(t *Route) {
	if t.Mesh != MeshOn {
		return
	}
	for i := range t.Split {
		switch s := &t.Split[i]; {
		case s.Port != "":
			r.Errorf(s.Range, "No ports in the mesh", "A sidecar has one port, so the port %q can't be asked for through the mesh.", s.Port)
		case slices.Contains(r.mesh.static, s.Service):
			r.Errorf(s.Range, "Static service in the mesh", "The service %q is a static one, which Consul's mesh does not know.", s.Service)
		}
	}
}

// redactedSplit shows the shares in the names of the configuration language, in their
// order.
func (r *Route) redactedSplit() []object {
	var out []object
	for i := range r.Split {
		s := &r.Split[i]
		out = append(out, object{"service": s.Service, "weight": s.Weight, "tags": listOf(s.Tags), "port": s.Port})
	}
	return out
}
