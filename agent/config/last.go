package config

import (
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
	content, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "service"}}})
	if content == nil || content.Attributes["service"] == nil {
		return false
	}
	a := content.Attributes["service"]
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type().FriendlyName() != "string" || !r.remote.statics[v.AsString()] {
		return false
	}
	r.Warnf(a.Expr.Range(), "Route to a static service left out",
		"The service %q is a static one of this gateway's configuration. What is registered in Consul under that name gets no route to it.", v.AsString())
	return true
}
