package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/rewrite"
)

// rewriteStep changes paths and queries.
func rewriteStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "rewrite", Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			return rewrite.Decode(b, c.Range, c.Route.Template())
		}},
		build: func(_ *Agent, _ *generation, r *config.Route) ([]proxy.Step, error) {
			var steps []proxy.Step
			for _, s := range specs[*rewrite.Spec](r, "rewrite") {
				steps = append(steps, rewrite.New(s))
			}
			return steps, nil
		},
	}
}
