package agent

import (
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/limit"
)

// steps assembles a route's pipeline. The order of this function is the order in
// which the steps run: limits whose key is known already come before anything
// that costs more, so that a flood is refused cheaply; those keyed by identity
// come once there is one.
func (a *Agent) steps(g *generation, r *config.Route) []proxy.Step {
	var known, identity []string
	for _, name := range g.config.Policy.EffectiveLimits(r) {
		if l := g.limit(name); l.Spec.OfIdentity() {
			identity = append(identity, name)
		} else {
			known = append(known, name)
		}
	}
	var steps []proxy.Step
	steps = append(steps, a.phase(g, known)...)
	steps = append(steps, a.phase(g, identity)...)
	return steps
}

// phase returns the step for limits that are charged all or nothing, as a list
// of one or none.
func (a *Agent) phase(g *generation, names []string) []proxy.Step {
	var list []*limit.Limit
	for _, n := range names {
		list = append(list, g.limit(n))
	}
	if p := limit.NewPhase(list, a.waiters); p != nil {
		return []proxy.Step{p}
	}
	return nil
}
