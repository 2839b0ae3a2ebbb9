package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/cors"
)

// corsStep lets pages of other origins use a route.
func corsStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "cors", Defaults: true, Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			return cors.Decode(b, c.Range)
		}},
		build: func(_ *Agent, g *generation, r *config.Route) ([]proxy.Step, error) {
			for _, s := range specsIn[*cors.Spec](g.config.Policy.EffectiveSteps(r), "cors") {
				if s.Enabled {
					return []proxy.Step{cors.New(s, r.Methods)}, nil
				}
			}
			return nil, nil
		},
	}
}
