package agent

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/grpcweb"
)

// grpcWebStep lets browsers call servers of gRPC.
func grpcWebStep() stepKind {
	return blockStep(config.StepBlock{Type: "grpc_web", Defaults: true}, func(b hcl.Body, _ config.BlockContext) (*grpcweb.Spec, hcl.Diagnostics) {
		return grpcweb.Decode(b)
	}, func(_ site, s *grpcweb.Spec) proxy.Step {
		if !s.Enabled {
			return nil
		}
		return grpcweb.New()
	})
}
