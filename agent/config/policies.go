package config

import "github.com/lictor/lictor/proxy/router"

// policy reads the policy blocks of the section and checks them together.
// The router is that of all routes, nil if one of them is wrong.
func (r *reader) policy(s *section, o *Options) (Policy, *router.Router) {
	var p Policy
	var table *limitTable
	p.Limits, table = r.limits(s.blocks["limit"])
	p.Gateway, p.GatewaySteps = r.gateway(s.one("gateway"), o, table)
	p.Defaults, p.DefaultSteps = r.defaults(s.one("defaults"), o, table)
	var names map[string][]string
	p.Providers, names = r.providers(s, o)
	p.Routes = r.routes(s.blocks["route"], o, names)
	r.checkRouteLimits(&p, table, o)
	p.TCPRoutes = r.tcpRoutes(s.blocks["tcp_route"], o, table, p.Routes)
	return p, r.checkRules(p.Routes)
}
