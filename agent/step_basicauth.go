package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/basicauth"
)

// basicAuthStep asks for users and passwords.
func basicAuthStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "basic_auth", NamesUser: true, Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			return basicauth.Decode(b, c.Range, c.Path)
		}},
		build: func(a *Agent, _ *generation, r *config.Route) ([]proxy.Step, error) {
			for _, s := range specs[*basicauth.Spec](r, "basic_auth") {
				return []proxy.Step{basicauth.New(s, a.passwords)}, nil
			}
			return nil, nil
		},
	}
}
