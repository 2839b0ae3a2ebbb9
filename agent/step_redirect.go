package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/redirect"
)

// redirectStep sends clients elsewhere.
func redirectStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "redirect", Answers: true, Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			return redirect.Decode(b, c.Range, c.Route.Hosts, c.Route.Template())
		}},
		build: func(_ *Agent, _ *generation, r *config.Route) ([]proxy.Step, error) {
			var steps []proxy.Step
			for _, s := range specs[*redirect.Spec](r, "redirect") {
				steps = append(steps, redirect.New(s, r.Service != ""))
			}
			return steps, nil
		},
	}
}
