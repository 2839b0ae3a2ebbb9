package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/limits/fleet"
	"github.com/lictor/lictor/proxy/step/limit"
)

// scoped refuses a limit whose scope the configuration has no means for: a store
// that budgets are kept in, or a service that tells how many gateways there are.
func (r *reader) scoped(b *hcl.Block, s *limit.Spec) {
	if r.partial {
		return
	}
	switch {
	case s.Scope == limit.Shared && r.noStore:
		r.Errorf(scopeRange(b), "No store for a shared limit", "%s", fmt.Sprintf("The limit %q is shared by all gateways, which needs a block store %q { address = \"...\" } in the agent's configuration.", s.Name, StoreRedis))
	case s.Scope == limit.FleetShare && s.Limit != nil && !fleet.Divisible(s.Limit):
		r.Errorf(scopeRange(b), "Limit can't be shared out", "%s", fmt.Sprintf("A limit by %q has no parts that gateways could grant.", s.Algorithm))
	case s.Scope == limit.FleetShare && r.noFleet:
		r.Errorf(scopeRange(b), "No fleet to share a limit", "%s", fmt.Sprintf("Of the limit %q each gateway grants its share, which needs a block consul { service { ... } } in the agent's configuration: gateways know by their registration how many they are.", s.Name))
	}
}

// scopeRange is where the block's scope is set.
func scopeRange(b *hcl.Block) hcl.Range {
	content, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "scope"}}})
	if content != nil && content.Attributes["scope"] != nil {
		return content.Attributes["scope"].Expr.Range()
	}
	return b.DefRange
}
