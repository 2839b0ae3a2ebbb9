package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/compress"
)

// compressionStep compresses what instances answer.
func compressionStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "compression", Defaults: true, Decode: func(b hcl.Body, _ config.BlockContext) (any, hcl.Diagnostics) {
			return compress.Decode(b)
		}},
		build: func(_ *Agent, g *generation, r *config.Route) ([]proxy.Step, error) {
			for _, s := range specsIn[*compress.Spec](g.config.Policy.EffectiveSteps(r), "compression") {
				if s.Enabled && r.Service != "" {
					return []proxy.Step{compress.New(s)}, nil
				}
			}
			return nil, nil
		},
	}
}
