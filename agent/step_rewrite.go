package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/rewrite"
)

// rewriteStep changes paths and queries.
func rewriteStep() stepKind {
	return blockStep(config.StepBlock{Type: "rewrite"}, func(b hcl.Body, c config.BlockContext) (*rewrite.Spec, hcl.Diagnostics) {
		return rewrite.Decode(b, c.Range, c.Route.Template())
	}, func(_ site, s *rewrite.Spec) proxy.Step { return rewrite.New(s) })
}
