package agent

import (
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/limit"
)

// turn says when a limit is asked.
type turn uint8

const (
	ofRequest  turn = iota // its key is in the request
	ofIdentity             // its key is in a token
	ofService              // it is about what the service can bear
)

// turnOf returns a limit's turn.
func turnOf(l *limit.Limit) turn {
	switch {
	case l.Spec.OfService():
		return ofService
	case l.Spec.OfIdentity():
		return ofIdentity
	}
	return ofRequest
}

// limitStep charges a route's limits of one turn, all or nothing.
func limitStep(t turn) stepKind {
	return stepKind{build: func(a *Agent, g *generation, r *config.Route) ([]proxy.Step, error) {
		var names []string
		for _, name := range g.config.Policy.EffectiveLimits(r) {
			if turnOf(g.limit(name)) == t {
				names = append(names, name)
			}
		}
		return a.phase(g, names, r), nil
	}}
}

// phase returns the step for limits that are charged all or nothing, as a list
// of one or none. A route, which may be nil, may charge what it likes.
func (a *Agent) phase(g *generation, names []string, r *config.Route) []proxy.Step {
	var list []*limit.Limit
	for _, n := range names {
		l := g.limit(n)
		if r != nil {
			if c, ok := r.CostOf(n); ok {
				l = l.Charging(c)
			}
		}
		list = append(list, l)
	}
	if p := limit.NewPhase(list, a.waiters); p != nil {
		return []proxy.Step{p}
	}
	return nil
}
