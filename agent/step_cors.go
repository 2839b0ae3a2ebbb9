package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/cors"
)

// corsStep lets pages of other origins use a route.
func corsStep() stepKind {
	return blockStep(config.StepBlock{Type: "cors", Defaults: true}, func(b hcl.Body, c config.BlockContext) (*cors.Spec, hcl.Diagnostics) {
		return cors.Decode(b, c.Range)
	}, func(at site, s *cors.Spec) proxy.Step {
		if !s.Enabled {
			return nil
		}
		return cors.New(s, at.route.Methods)
	})
}
