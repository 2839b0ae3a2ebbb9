package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/basicauth"
)

// basicAuthStep asks for users and passwords.
func basicAuthStep() stepKind {
	return blockStep(config.StepBlock{Type: "basic_auth", NamesUser: true}, func(b hcl.Body, c config.BlockContext) (*basicauth.Spec, hcl.Diagnostics) {
		return basicauth.Decode(b, c.Range, c.Path)
	}, func(at site, s *basicauth.Spec) proxy.Step { return basicauth.New(s, at.agent.passwords) })
}
