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
// or with several together.
func (r *reader) checkRules(routes []Route) {
	rules := make([]router.Rule, len(routes))
	for i := range routes {
		rules[i] = routes[i].Rule()
	}
	if _, err := router.New(rules); err != nil {
		r.ruleFaults(routes, err)
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
