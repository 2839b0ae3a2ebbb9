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
	return stepKind{
		block: config.StepBlock{Type: "api_key", NamesUser: true, Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			return apikey.Decode(b, c.Range, c.Path)
		}},
		build: func(_ *Agent, _ *generation, r *config.Route) ([]proxy.Step, error) {
			for _, s := range specs[*apikey.Spec](r, "api_key") {
				return []proxy.Step{apikey.New(s)}, nil
			}
			return nil, nil
		},
	}
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
