package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lictor/lictor/attr"

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
		Last:        r.Last,
	}
}

// checkRules looks for what is wrong with one route, then for what is wrong
// with several together, as far as each is sound by itself. It returns nil if
// something is wrong.
func (r *reader) checkRules(routes []Route) *router.Router {
	all := make([]int, len(routes))
	for i := range routes {
		all[i] = i
	}
	built, faults := buildRouter(routes, all)
	sound := slices.DeleteFunc(all, func(i int) bool {
		return routes[i].origin.unsound || slices.ContainsFunc(faults, func(f *router.RuleError) bool { return f.Rule == i && !conflict(f) })
	})
	for _, f := range faults {
		if !conflict(f) {
			r.ruleFault(&routes[f.Rule], f)
		}
	}
	if len(sound) < len(routes) {
		built = nil
		_, faults = buildRouter(routes, sound)
	}
	for _, f := range faults {
		if same, ok := errors.AsType[*router.ConflictError](f.Err); ok {
			t, other := &routes[f.Rule], &routes[same.Other]
			r.Errorf(t.Range, "Conflicting routes",
				"The route %q asks for exactly what the route %q at %s does: for a request to host %s only their names would choose. Make their methods, headers or query differ.",
				t.Name, other.Name, other.Range, same.Host)
		}
	}
	return built
}

func conflict(f *router.RuleError) bool {
	_, ok := errors.AsType[*router.ConflictError](f.Err)
	return ok
}

// buildRouter builds a router of some of the routes. What is wrong with them is
// in terms of all. Names don't matter to it: they have been checked where they
// were read, and two routes of one name may conflict in other ways.
func buildRouter(routes []Route, some []int) (*router.Router, router.RuleErrors) {
	rules := make([]router.Rule, len(some))
	named := make(map[string]bool, len(some))
	for i, n := range some {
		rules[i] = routes[n].Rule()
		if named[rules[i].Name] {
			rules[i].Name += "#" + strconv.Itoa(n)
		}
		named[rules[i].Name] = true
	}
	built, err := router.New(rules)
	var faults router.RuleErrors
	errors.As(err, &faults)
	for _, f := range faults {
		f.Rule = some[f.Rule]
		if same, ok := errors.AsType[*router.ConflictError](f.Err); ok {
			same.Other = some[same.Other]
		}
	}
	return built, faults
}

// ruleFault reports one fault of one route, at the element that it speaks of.
func (r *reader) ruleFault(t *Route, f *router.RuleError) {
	if f.Field == "name" {
		return // checked where it was read
	}
	at := t.at(f.Field)
	elements, places := t.Hosts, t.origin.hosts
	switch f.Field {
	case "hosts":
	case "methods":
		elements, places = t.Methods, t.origin.methods
	default:
		elements = nil
	}
	for i, e := range elements {
		if strings.Contains(f.Err.Error(), strconv.Quote(e)) {
			at = places[i]
			break
		}
	}
	r.Errorf(at, "Invalid "+f.Field, "%s", attr.Sentence(f.Err))
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
			r.Warnf(t.at("path_regex"), "Unreachable route", "No path of a request, in its normal form, matches this expression.")
			continue
		}
		by := &routes[s.By]
		r.Warnf(t.Range, "Unreachable route", "No request reaches the route %q: the route %q at %s comes first wherever it matches.", t.Name, by.Name, by.Range)
	}
}
