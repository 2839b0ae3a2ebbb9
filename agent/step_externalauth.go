package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/externalauth"
)

// externalAuthStep asks a service whether a request may pass.
func externalAuthStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "external_auth", Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			return externalauth.Decode(b, c.Range)
		}},
		build: func(a *Agent, _ *generation, r *config.Route) ([]proxy.Step, error) {
			for _, s := range specs[*externalauth.Spec](r, "external_auth") {
				return []proxy.Step{externalauth.New(s, a.asks, a.log.Named("external_auth").With("route", r.Name))}, nil
			}
			return nil, nil
		},
	}
}
