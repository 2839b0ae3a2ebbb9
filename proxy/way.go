package proxy

import "github.com/lictor/lictor/proxy/upstream"

// Way is how requests of a route that splits them go to one of its services.
type Way struct {
	// Name is the service's name to the catalog, and Service what it is called in
	// the policy. They differ in the mesh, and in other datacenters.
	Name, Service string
	// TLS is as Route.UpstreamTLS.
	TLS UpstreamTLS
}

// way returns the way to the service of that name to the catalog, nil where all go
// the same one.
func (r *Route) way(name string) *Way {
	for i := range r.Ways {
		if r.Ways[i].Name == name {
			return &r.Ways[i]
		}
	}
	return nil
}

// TLSTo returns how an endpoint of the route is spoken to; nil means in clear. It is
// the same value for the same route and service.
func (r *Route) TLSTo(ep *upstream.Endpoint) UpstreamTLS {
	if len(r.Ways) == 0 || ep == nil {
		return r.UpstreamTLS
	}
	return r.TLSFor(ep.Service())
}

// TLSFor is TLSTo for any endpoint of the service of that name to the catalog.
func (r *Route) TLSFor(service string) UpstreamTLS {
	if w := r.way(service); w != nil {
		return w.TLS
	}
	return r.UpstreamTLS
}

// ServiceOf returns what the service of an endpoint of the route is called in the
// policy. Without an endpoint it is the route's own, the first one of a split.
func (r *Route) ServiceOf(ep *upstream.Endpoint) string {
	if len(r.Ways) > 0 && ep != nil {
		if w := r.way(ep.Service()); w != nil {
			return w.Service
		}
	}
	return r.Service
}

// Service returns the service that the request has gone to last, or that it was drawn
// for, or else would go to as far as its route alone says: see Route.ServiceOf. It is
// empty without a route.
func (x *Exchange) Service() string {
	switch {
	case x.Route == nil:
		return ""
	case x.Endpoint == nil && len(x.Route.Shares) > 0:
		return x.Route.Shares[x.attempt.Share()]
	}
	return x.Route.ServiceOf(x.Endpoint)
}
