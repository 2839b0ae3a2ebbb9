package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/securityheaders"
)

// securityHeadersStep has browsers guard the users of a page.
func securityHeadersStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "security_headers", Defaults: true, Decode: func(b hcl.Body, _ config.BlockContext) (any, hcl.Diagnostics) {
			return securityheaders.Decode(b)
		}},
		build: func(_ *Agent, g *generation, r *config.Route) ([]proxy.Step, error) {
			for _, s := range specsIn[*securityheaders.Spec](g.config.Policy.EffectiveSteps(r), "security_headers") {
				if s.Enabled {
					return []proxy.Step{securityheaders.New(s)}, nil
				}
			}
			return nil, nil
		},
	}
}
