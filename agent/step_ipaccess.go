package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/ipaccess"
)

// ipAccessStep refuses clients by their addresses.
func ipAccessStep() stepKind {
	return blockStep(config.StepBlock{Type: "ip_access", Everywhere: true}, func(b hcl.Body, c config.BlockContext) (*ipaccess.Spec, hcl.Diagnostics) {
		return ipaccess.Decode(b, c.Range, c.Path)
	}, func(_ site, s *ipaccess.Spec) proxy.Step { return ipaccess.New(s) })
}

// ipAccess returns the step for the one block among these, as a list of one or
// none.
func ipAccess(blocks []config.Step) []proxy.Step {
	for _, s := range specsIn[*ipaccess.Spec](blocks, "ip_access") {
		return []proxy.Step{ipaccess.New(s)}
	}
	return nil
}
