package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/redirect"
)

// redirectStep sends clients elsewhere.
func redirectStep() stepKind {
	return blockStep(config.StepBlock{Type: "redirect", Answers: true}, func(b hcl.Body, c config.BlockContext) (*redirect.Spec, hcl.Diagnostics) {
		return redirect.Decode(b, c.Range, c.Route.Hosts, c.Route.Template())
	}, func(at site, s *redirect.Spec) proxy.Step { return redirect.New(s, at.route.Forwards()) })
}
