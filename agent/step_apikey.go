package agent

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/apikey"
)

// apiKeyStep asks for keys.
func apiKeyStep() stepKind {
	return blockStep(config.StepBlock{Type: "api_key", NamesUser: true}, func(b hcl.Body, c config.BlockContext) (*apikey.Spec, hcl.Diagnostics) {
		return apikey.Decode(b, c.Range, c.Path)
	}, func(_ site, s *apikey.Spec) proxy.Step { return apikey.New(s) })
}

// keyParameters names the query parameters that hold keys, in lower case.
func keyParameters(c *config.Config) []string {
	var names []string
	for i := range c.Policy.Routes {
		for _, s := range specs[*apikey.Spec](&c.Policy.Routes[i], "api_key") {
			if s.Query != "" {
				names = append(names, strings.ToLower(s.Query))
			}
		}
	}
	return names
}
