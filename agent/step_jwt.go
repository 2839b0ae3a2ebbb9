package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/jwt"
)

// jwtStep verifies tokens.
func jwtStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "jwt", Repeatable: true, Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			return jwt.DecodeRoute(b, c.Range, c.Providers["jwt"])
		}},
		build: func(_ *Agent, g *generation, r *config.Route) ([]proxy.Step, error) {
			blocks := specs[*jwt.RouteSpec](r, "jwt")
			if len(blocks) == 0 {
				return nil, nil
			}
			s, err := jwt.New(blocks, g.providers.Provider)
			if err != nil {
				return nil, err
			}
			return []proxy.Step{s}, nil
		},
	}
}
