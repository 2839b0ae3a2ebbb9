package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/externalauth"
)

// externalAuthStep asks a service whether a request may pass.
func externalAuthStep() stepKind {
	return blockStep(config.StepBlock{Type: "external_auth"}, func(b hcl.Body, c config.BlockContext) (*externalauth.Spec, hcl.Diagnostics) {
		return externalauth.Decode(b, c.Range)
	}, func(at site, s *externalauth.Spec) proxy.Step {
		return externalauth.New(s, at.agent.asks, at.agent.log.Named("external_auth").With("route", at.route.Name))
	})
}
