package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
)

// site is where a step is built.
type site struct {
	agent      *Agent
	generation *generation
	route      *config.Route
}

// blockStep is the kind of a step that a block asks for: decode makes a spec of the
// block, and build the step of the spec, or nil if the block says that there is none.
func blockStep[S any](block config.StepBlock, decode func(hcl.Body, config.BlockContext) (S, hcl.Diagnostics), build func(site, S) proxy.Step) stepKind {
	block.Decode = func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) { return decode(b, c) }
	return stepKind{block: block, build: func(a *Agent, g *generation, r *config.Route) ([]proxy.Step, error) {
		blocks := r.Steps
		if block.Defaults || block.Everywhere {
			blocks = g.config.Policy.EffectiveSteps(r)
		}
		var steps []proxy.Step
		for _, s := range specsIn[S](blocks, block.Type) {
			if step := build(site{a, g, r}, s); step != nil {
				steps = append(steps, step)
			}
		}
		return steps, nil
	}}
}
