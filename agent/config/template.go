package config

import "github.com/lictor/lictor/proxy/template"

// Template returns what templates of the route's steps may ask of it.
func (r *Route) Template() *template.Route {
	return template.NewRoute(template.Paths{
		StripPrefix: r.StripPrefix, Prefix: r.PathPrefix, Pattern: r.PathPattern, Regex: r.PathRegex,
	})
}
