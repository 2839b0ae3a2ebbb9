package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// know takes note of the services that the configuration itself defines.
func (m *remote) know(services []Service) {
	m.statics = make(map[string]bool, len(services))
	for i := range services {
		m.statics[services[i].Name] = true
	}
}

// yields reports whether a route of a text that is Last gives way: to another route
// of its name, such as a policy that was made of it, or to a static service. A
// service of Consul's with the name of a static one would else reach that one.
func (r *reader) yields(b *hcl.Block, named map[string]hcl.Range) bool {
	if !r.remote.last[b.DefRange.Filename] {
		return false
	}
	if _, taken := named[b.Labels[0]]; taken {
		return true
	}
	content, _, _ := b.Body.PartialContent(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "service"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "split", LabelNames: []string{"service"}}},
	})
	if content == nil {
		return false
	}
	if content.Attributes["service"] == nil {
		// A share of a static service is left out where it is read, and the rest stays.
		static := func(s *hcl.Block) bool { return r.remote.statics[s.Labels[0]] }
		others := slices.DeleteFunc(slices.Clone(content.Blocks), static)
		if len(content.Blocks) == 0 || len(others) > 0 {
			return false
		}
		r.leftOut(content.Blocks[0].LabelRanges[0], content.Blocks[0].Labels[0])
		return true
	}
	a := content.Attributes["service"]
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type().FriendlyName() != "string" || !r.remote.statics[v.AsString()] {
		return false
	}
	r.leftOut(a.Expr.Range(), v.AsString())
	return true
}

// leftOut tells of a route to a static service that is not taken.
func (r *reader) leftOut(at hcl.Range, service string) {
	r.Warnf(at, "Route to a static service left out",
		"The service %q is a static one of this gateway's configuration. What is registered in Consul under that name gets no route to it.", service)
}
