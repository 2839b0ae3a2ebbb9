package config

import (
	"errors"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/proxy/router"
)

// Rule returns what the route matches.
func (r *Route) Rule() router.Rule {
	return router.Rule{
		Name:        r.Name,
		Hosts:       r.Hosts,
		Path:        r.Path,
		PathPrefix:  r.PathPrefix,
		PathPattern: r.PathPattern,
		PathRegex:   r.PathRegex,
		Methods:     r.Methods,
		Headers:     r.Headers,
		Query:       r.Query,
	}
}

// checkRules builds a router of all routes, for what is wrong with one of them
// or with several together. It returns nil if something is.
func (r *reader) checkRules(routes []Route) *router.Router {
	rules := make([]router.Rule, len(routes))
	for i := range routes {
		rules[i] = routes[i].Rule()
	}
	built, err := router.New(rules)
	if err != nil {
		r.ruleFaults(routes, err)
		return nil
	}
	return built
}

// unreachable warns of routes that can never win. That takes long to find out
// where there are many regexes, so only Validate asks.
func (r *reader) unreachable(routes []Route, built *router.Router) {
	if built == nil {
		return
	}
	for _, s := range built.Unreachable() {
		t := &routes[s.Rule]
		if s.By == router.NoRoute {
			r.warnf(t.at("path_regex"), "Unreachable route", "No path of a request, in its normal form, matches this expression.")
			continue
		}
		by := &routes[s.By]
		r.warnf(t.Range, "Unreachable route", "No request reaches the route %q: the route %q at %s comes first wherever it matches.", t.Name, by.Name, by.Range)
	}
}

func (r *reader) ruleFaults(routes []Route, err error) {
	var faults router.RuleErrors
	if !errors.As(err, &faults) {
		r.errorf(hcl.Range{}, "Invalid routes", "%s", sentence(err))
		return
	}
	for _, f := range faults {
		if f.Field == "name" {
			continue // names have been checked where they were read
		}
		t := &routes[f.Rule]
		var same *router.ConflictError
		if errors.As(f.Err, &same) {
			r.errorf(t.Range, "Conflicting routes",
				"The route %q asks for exactly what the route %q at %s does: for a request to host %s only their names would choose. Make their methods, headers or query differ.",
				t.Name, same.Name, routes[same.Other].Range, same.Host)
			continue
		}
		r.errorf(t.at(f.Field), "Invalid "+f.Field, "%s", sentence(f.Err))
	}
}
