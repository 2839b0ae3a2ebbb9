package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/headers"
)

// requestHeadersStep changes the fields of requests.
func requestHeadersStep() stepKind {
	return blockStep(config.StepBlock{Type: "request_headers"}, func(b hcl.Body, c config.BlockContext) (*headers.Spec, hcl.Diagnostics) {
		return headers.DecodeRequest(b, c.Range, c.Route.Template())
	}, func(_ site, s *headers.Spec) proxy.Step { return headers.NewRequest(s) })
}

// responseHeadersStep changes the fields of what instances answer.
func responseHeadersStep() stepKind {
	return blockStep(config.StepBlock{Type: "response_headers"}, func(b hcl.Body, c config.BlockContext) (*headers.Spec, hcl.Diagnostics) {
		return headers.DecodeResponse(b, c.Range, c.Route.Template())
	}, func(_ site, s *headers.Spec) proxy.Step { return headers.NewResponse(s) })
}
