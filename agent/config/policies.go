package config

// policy reads the policy blocks of the section and checks them together.
func (r *reader) policy(s *section, o *Options) Policy {
	var p Policy
	var table *limitTable
	p.Limits, table = r.limits(s.blocks["limit"])
	p.Gateway = r.gateway(s.one("gateway"), o, table)
	p.Defaults = r.defaults(s.one("defaults"), o, table)
	var names map[string][]string
	p.Providers, names = r.providers(s, o)
	p.Routes = r.routes(s.blocks["route"], o, names)
	r.checkRouteLimits(&p, table)
	r.checkRules(p.Routes)
	return p
}
