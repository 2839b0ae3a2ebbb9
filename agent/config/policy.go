package config

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/certs"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/proxy/step/limit"
)

// Policy is what all policy blocks say together. Every name in it has been
// resolved, except the names of services.
type Policy struct {
	// Limits are the limit blocks, in the order of files and lines.
	Limits []limit.Spec
	// Gateway names the limits of every request, matched by a route or not.
	Gateway []string
	// Defaults names the limits of every route that inherits.
	Defaults []string
	// GatewaySteps are the step blocks of the gateway, and DefaultSteps those of
	// routes without one of that type.
	GatewaySteps, DefaultSteps []Step
	// Providers are the blocks of Options.ProviderBlocks.
	Providers []Provider
	Routes    []Route
	// TCPRoutes are those for connections that are carried as they are. They
	// inherit no limits, neither the gateway's nor the defaults'.
	TCPRoutes []TCPRoute
}

// Provider is a policy block that steps refer to, such as jwt "main".
type Provider struct {
	Type  string
	Name  string
	Spec  any // what ProviderBlock.Decode returned
	Range hcl.Range
}

// Route is one route.
type Route struct {
	Name string
	// Range is where the block begins.
	Range hcl.Range

	// Last says that the route is asked only once no other covers a request.
	Last bool

	// Hosts are the hosts as written; none stands for any.
	Hosts []string
	// At most one of the four is set; none of them stands for any path.
	Path        string
	PathPrefix  string
	PathPattern string
	PathRegex   string
	// Methods are none for any.
	Methods []string
	// Headers and Query have to be there with exactly these values.
	Headers map[string]string
	Query   map[string]string

	// Service is the service that its requests go to, or else PreparedQuery, by
	// name or ID, finds whom they do, or Split divides them: at most one of the
	// three is set, and none when a step answers all requests.
	Service       string
	PreparedQuery string
	Split         []Share
	// Datacenters are those whose instances take over from one another, in order.
	// The gateway's own is the first unless it is listed.
	Datacenters []string
	// Protocol is which HTTP its instances are spoken to by; the zero value leaves
	// that to what is known of each.
	Protocol catalog.Protocol
	// UpstreamTLS is how its instances are spoken to; nil means in clear.
	UpstreamTLS *certs.ClientSpec
	// Mesh is MeshAuto, MeshOn or MeshOff: whether they are spoken to through
	// the service mesh.
	Mesh string
	// Tags are the tags that an instance needs, all of them.
	Tags []string
	// Port is the name of one port of a service with several; empty stands for
	// the usual one.
	Port string

	StripPrefix string
	// HostHeader replaces the client's Host; empty keeps it.
	HostHeader string

	// Limits are the route's own; EffectiveLimits adds the others.
	Limits        []string
	InheritLimits bool
	// Costs are what the route charges some of its own limits, instead of what these
	// charge elsewhere.
	Costs []LimitCost
	// Steps are the blocks of Options.StepBlocks, in the order of lines.
	Steps []Step

	Balance string
	// MaxConnections bounds the requests in flight to each instance; 0 means
	// no bound.
	MaxConnections int
	// Timeout bounds queueing, retries and waiting, until the response's head.
	Timeout time.Duration
	// ConnectTimeout bounds one connection attempt.
	ConnectTimeout time.Duration
	// IdleTimeout bounds the time between bytes of a body, or of a tunnel.
	IdleTimeout time.Duration
	// MaxBody bounds the request's body in bytes; 0 means no bound.
	MaxBody int64

	origin routeOrigin
}

// routeOrigin remembers where attributes were written, for checks that come
// after decoding.
type routeOrigin struct {
	attrs   map[string]hcl.Range // by attribute name, the value's range
	limits  []hcl.Range          // parallel to Limits
	methods []hcl.Range
	hosts   []hcl.Range
	// unsound says that something about the block was wrong, so that what the
	// route asks for may not be what was meant.
	unsound bool
}

// at returns where the attribute was written, or else where the route begins.
func (r *Route) at(attr string) hcl.Range {
	if rng, ok := r.origin.attrs[attr]; ok {
		return rng
	}
	return r.Range
}

// LimitCost is what a route charges one limit.
type LimitCost struct {
	Limit string
	Cost  limit.Cost
}

// CostOf returns what the route charges a limit; ok is false when that is what the
// limit says itself.
func (r *Route) CostOf(name string) (c limit.Cost, ok bool) {
	for i := range r.Costs {
		if r.Costs[i].Limit == name {
			return r.Costs[i].Cost, true
		}
	}
	return limit.Cost{}, false
}

// Step is a block in a route that belongs to one step of the pipeline.
type Step struct {
	Type  string
	Spec  any // what StepBlock.Decode returned
	Range hcl.Range
}

// HasStep reports whether the route holds a step block of the type.
func (r *Route) HasStep(typ string) bool {
	return slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Type == typ })
}

// EffectiveLimits returns the names of the limits that a request on the route
// meets after matching: the defaults, unless the route doesn't inherit, then
// its own. A limit counts once, and not at all here when the gateway has
// charged it already.
func (p *Policy) EffectiveLimits(r *Route) []string {
	var names []string
	add := func(from []string) {
		for _, n := range from {
			if !slices.Contains(p.Gateway, n) && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	if r.InheritLimits {
		add(p.Defaults)
	}
	add(r.Limits)
	return names
}

// EffectiveSteps returns the step blocks that hold for a route: its own, and the
// defaults' of those types that it has none of.
func (p *Policy) EffectiveSteps(r *Route) []Step {
	all := slices.Clone(r.Steps)
	for _, s := range p.DefaultSteps {
		if !r.HasStep(s.Type) {
			all = append(all, s)
		}
	}
	return all
}

// StepFiles names the files that step blocks were read from besides their own.
func (p *Policy) StepFiles() []string {
	var names []string
	add := func(steps []Step) {
		for _, s := range steps {
			if f, ok := s.Spec.(interface{ Files() []string }); ok {
				names = append(names, f.Files()...)
			}
		}
	}
	add(p.GatewaySteps)
	add(p.DefaultSteps)
	for i := range p.Routes {
		add(p.Routes[i].Steps)
	}
	for i := range p.TCPRoutes {
		add(p.TCPRoutes[i].Steps)
	}
	return names
}

// Limit returns the limit of that name, or nil.
func (p *Policy) Limit(name string) *limit.Spec {
	for i := range p.Limits {
		if p.Limits[i].Name == name {
			return &p.Limits[i]
		}
	}
	return nil
}
