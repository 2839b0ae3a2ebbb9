package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/headers"
)

// requestHeadersStep changes the fields of requests.
func requestHeadersStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "request_headers", Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			return headers.DecodeRequest(b, c.Range, c.Route.Template())
		}},
		build: func(_ *Agent, _ *generation, r *config.Route) ([]proxy.Step, error) {
			var steps []proxy.Step
			for _, s := range specs[*headers.Spec](r, "request_headers") {
				steps = append(steps, headers.NewRequest(s))
			}
			return steps, nil
		},
	}
}

// responseHeadersStep changes the fields of what instances answer.
func responseHeadersStep() stepKind {
	return stepKind{
		block: config.StepBlock{Type: "response_headers", Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			return headers.DecodeResponse(b, c.Range, c.Route.Template())
		}},
		build: func(_ *Agent, _ *generation, r *config.Route) ([]proxy.Step, error) {
			var steps []proxy.Step
			for _, s := range specs[*headers.Spec](r, "response_headers") {
				steps = append(steps, headers.NewResponse(s))
			}
			return steps, nil
		},
	}
}
