package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/compress"
)

// compressionStep compresses what instances answer.
func compressionStep() stepKind {
	return blockStep(config.StepBlock{Type: "compression", Defaults: true}, func(b hcl.Body, _ config.BlockContext) (*compress.Spec, hcl.Diagnostics) {
		return compress.Decode(b)
	}, func(at site, s *compress.Spec) proxy.Step {
		if !s.Enabled || !at.route.Forwards() {
			return nil
		}
		return compress.New(s)
	})
}
