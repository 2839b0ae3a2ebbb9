package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/proxy/step/limit"
)

type gatewayBlock struct {
	Limits *hcl.Attribute `hcl:"limits,optional"`
}

type defaultsBlock struct {
	Limits *hcl.Attribute `hcl:"limits,optional"`
}

// limitTable knows every limit that was defined, sound or not, so that one
// mistake isn't reported again wherever the limit is named.
type limitTable struct {
	names []string
	at    map[string]hcl.Range // where each was defined
	sound map[string]*limit.Spec
}

func (r *reader) limits(blocks []*hcl.Block) ([]limit.Spec, *limitTable) {
	var out []limit.Spec
	named := map[string]hcl.Range{}
	table := &limitTable{at: named, sound: map[string]*limit.Spec{}}
	for _, b := range blocks {
		name := b.Labels[1]
		_, dup := named[name]
		r.name("limit", name, b.LabelRanges[1], named)
		spec, diags := limit.Decode(b)
		r.Diags = append(r.Diags, diags...)
		r.scoped(b, &spec)
		if !dup {
			table.names = append(table.names, name)
		}
		if dup || diags.HasErrors() {
			continue
		}
		out = append(out, spec)
		r.chosenKey(b, &spec)
	}
	for i := range out {
		table.sound[out[i].Name] = &out[i]
	}
	return out, table
}

// chosenKey warns of a key that a client gets a fresh value of whenever it
// likes, and with it a fresh budget.
func (r *reader) chosenKey(b *hcl.Block, s *limit.Spec) {
	var chosen []string
	for _, p := range s.Key {
		switch p.Kind {
		case limit.RequestHeader, limit.RequestHost, limit.RequestMethod:
			chosen = append(chosen, p.String())
		case limit.RouteName, limit.ServiceName:
		default:
			return
		}
	}
	if len(chosen) == 0 {
		return
	}
	at := b.DefRange
	if content, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "key"}}}); content != nil && content.Attributes["key"] != nil {
		at = content.Attributes["key"].Expr.Range()
	}
	r.Warnf(at, "Key chosen by the client",
		"A client can send whatever it likes as %s, and so gets a fresh budget with every request. Add client.ip or a claim of a verified token, unless something in front of the gateway sets it.", strings.Join(chosen, " and "))
}

// known keeps the names of limits that exist and reports the others.
func (r *reader) known(names []attr.Item, table *limitTable) []attr.Item {
	var out []attr.Item
	for _, n := range names {
		if slices.Contains(table.names, n.Value) {
			if at := table.at[n.Value]; r.remote.beyond(n.At, at) {
				r.Errorf(n.At, "Limit defined elsewhere", "The limit %q is defined at %s. What files say must hold without Consul, so they can refer to limits in files only.", n.Value, at)
			}
			out = append(out, n)
			continue
		}
		if r.partial {
			continue
		}
		hint := attr.DidYouMean(n.Value, table.names)
		if hint == "" && len(table.names) == 0 {
			hint = " No limit is defined."
		}
		r.Errorf(n.At, "Unknown limit", "There is no limit named %q.%s", n.Value, hint)
	}
	return out
}

// gateway reads the limits of every request. They are asked before a route is
// found, so their keys can't be of the route nor of a token.
func (r *reader) gateway(b *hcl.Block, o *Options, table *limitTable) ([]string, []Step) {
	if b == nil {
		return nil, nil
	}
	var in gatewayBlock
	steps := r.steps(r.decode(b, &in, o.everywhere()...), b.Type, nil, o, nil)
	names := r.known(r.Unique(in.Limits), table)
	for _, n := range names {
		s := table.sound[n.Value]
		if s == nil {
			continue
		}
		for _, p := range s.Key {
			if !p.BeforeMatch() {
				r.Errorf(n.At, "Limit can't be the gateway's", "The key of limit %q holds %s, which isn't known before a route is found. The gateway's limits may use client.* and request.* only.", n.Value, p)
			}
		}
	}
	return attr.Values(names), steps
}

func (r *reader) defaults(b *hcl.Block, o *Options, table *limitTable) ([]string, []Step) {
	if b == nil {
		return nil, nil
	}
	var in defaultsBlock
	steps := r.steps(r.decode(b, &in, o.inDefaults()...), b.Type, nil, o, nil)
	return attr.Values(r.known(r.Unique(in.Limits), table)), steps
}

// checkRouteLimits resolves the limits that a route names, and warns of keys
// made of who the client is where nobody asks for that.
func (r *reader) checkRouteLimits(p *Policy, table *limitTable, o *Options) {
	for i := range p.Routes {
		t := &p.Routes[i]
		own := make([]attr.Item, len(t.Limits))
		for j, n := range t.Limits {
			own[j] = attr.Item{Value: n, At: t.origin.limits[j]}
		}
		own = r.known(own, table)
		t.Limits, t.origin.limits = attr.Values(own), attr.Ranges(own)
		r.checkCosts(t, table)
		if !t.HasStep("jwt") {
			r.keyless(p, t, table, limit.KeyPart.OfToken, "Key of a token on a route without one", "a claim, but the route verifies no token")
		}
		if !o.namesUser(t.Steps) {
			r.keyless(p, t, table, limit.KeyPart.OfUser, "Key of a user on a route without one", "the user, but the route has neither basic_auth nor api_key")
		}
	}
}

// keyless warns of the limits of a route whose keys have such a part, which the route
// never knows.
func (r *reader) keyless(p *Policy, t *Route, table *limitTable, part func(limit.KeyPart) bool, summary, why string) {
	for _, name := range p.EffectiveLimits(t) {
		s := table.sound[name]
		if s == nil || !slices.ContainsFunc(s.Key, part) {
			continue
		}
		at, how := t.Range, " by default"
		if j := slices.Index(t.Limits, name); j >= 0 {
			at, how = t.origin.limits[j], ""
		}
		r.Warnf(at, summary, "%s",
			fmt.Sprintf("The limit %q, which the route %q has%s, is keyed by %s. Every request counts by its client's address instead.", name, t.Name, how, why))
	}
}
