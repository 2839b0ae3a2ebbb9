package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/securityheaders"
)

// securityHeadersStep has browsers guard the users of a page.
func securityHeadersStep() stepKind {
	return blockStep(config.StepBlock{Type: "security_headers", Defaults: true}, func(b hcl.Body, _ config.BlockContext) (*securityheaders.Spec, hcl.Diagnostics) {
		return securityheaders.Decode(b)
	}, func(_ site, s *securityheaders.Spec) proxy.Step {
		if !s.Enabled {
			return nil
		}
		return securityheaders.New(s)
	})
}
