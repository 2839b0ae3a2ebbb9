package agent

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/jwt"
	"github.com/lictor/lictor/proxy/step/limit"
	"github.com/lictor/lictor/proxy/upstream"
)

// ConfigOptions tells the configuration language what this program understands.
func ConfigOptions() config.Options {
	o := config.Options{
		ProviderBlocks: []config.ProviderBlock{
			{Type: "jwt", Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
				return jwt.DecodeProvider(b, c.Name, c.Range, c.Path)
			}},
		},
		StepBlocks: []config.StepBlock{
			{Type: "jwt", Repeatable: true, Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
				return jwt.DecodeRoute(b, c.Range, c.Providers["jwt"])
			}},
		},
	}
	for _, b := range upstream.Balancers() {
		o.Balancers = append(o.Balancers, b.Name)
	}
	return o
}

// ValidateOptions is ConfigOptions for a configuration that is only looked at: the
// files that it names must be good as well. A running gateway finds that out
// when it prepares what it does not have yet, and goes on with the rest.
func ValidateOptions() config.Options {
	o := ConfigOptions()
	for i, p := range o.ProviderBlocks {
		decode := p.Decode
		o.ProviderBlocks[i].Decode = func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			v, diags := decode(b, c)
			if s, ok := v.(*jwt.Spec); ok && !diags.HasErrors() {
				if err := jwt.Check(s); err != nil {
					diags = append(diags, &hcl.Diagnostic{
						Severity: hcl.DiagError, Summary: "Keys can't be used", Detail: sentence(err), Subject: &c.Range,
					})
				}
			}
			return v, diags
		}
	}
	return o
}

// sentence makes an error the text of a diagnostic.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// steps assembles a route's pipeline. The order of this function is the order in
// which the steps run: limits whose key is known already come before anything
// that costs more, so that a flood is refused before a signature is verified;
// those keyed by identity come once there is one. What the service can bear is
// asked last: nobody is held of it who waits or is refused here.
func (a *Agent) steps(g *generation, r *config.Route) ([]proxy.Step, error) {
	var known, identity, service []string
	for _, name := range g.config.Policy.EffectiveLimits(r) {
		switch l := g.limit(name); {
		case l.Spec.OfService():
			service = append(service, name)
		case l.Spec.OfIdentity():
			identity = append(identity, name)
		default:
			known = append(known, name)
		}
	}
	var steps []proxy.Step
	steps = append(steps, a.phase(g, known, r)...)
	if blocks := specs[*jwt.RouteSpec](r, "jwt"); len(blocks) > 0 {
		s, err := jwt.New(blocks, g.providers.Provider)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	steps = append(steps, a.phase(g, identity, r)...)
	steps = append(steps, a.phase(g, service, r)...)
	return steps, nil
}

// specs returns what the blocks of a type were decoded to, in their order.
func specs[T any](r *config.Route, typ string) []T {
	var out []T
	for _, s := range r.Steps {
		if s.Type == typ {
			out = append(out, s.Spec.(T))
		}
	}
	return out
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
