package config

import (
	"slices"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/proxy/step/limit"
)

// limitRef is a limit that a route names: "name", or with a cost of the route's
// own { name = "name", cost = 5 }.
type limitRef struct {
	attr.Item
	cost *limit.Cost
}

type limitRefs []limitRef

func (l limitRefs) values() []string { return attr.Values(l.items()) }

func (l limitRefs) ranges() []hcl.Range { return attr.Ranges(l.items()) }

func (l limitRefs) items() []attr.Item {
	items := make([]attr.Item, len(l))
	for i := range l {
		items[i] = l[i].Item
	}
	return items
}

// costs returns nil when there are none.
func (l limitRefs) costs() (out []LimitCost) {
	for _, n := range l {
		if n.cost != nil {
			out = append(out, LimitCost{n.Value, *n.cost})
		}
	}
	return out
}

// limitRefs reads the limits of a route, and each limit once.
func (r *reader) limitRefs(a *hcl.Attribute) limitRefs {
	if a == nil || attr.Null(a) {
		return nil
	}
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		r.Errorf(a.Expr.Range(), "Unsuitable value", `A list of limits, such as ["a", { name = "b", cost = 5 }], is required here.`)
		return nil
	}
	out := make(limitRefs, 0, len(exprs))
	for _, e := range exprs {
		ref, ok := r.limitRef(a.Name, e)
		i := slices.IndexFunc(out, func(o limitRef) bool { return o.Value == ref.Value })
		switch {
		case !ok:
		case i < 0:
			out = append(out, ref)
		case ref.cost != nil || out[i].cost != nil:
			r.Errorf(ref.At, "Duplicate limit", "The limit %q is in this list already, and is charged once.", ref.Value)
		}
	}
	return out
}

func (r *reader) limitRef(name string, e hcl.Expression) (ref limitRef, ok bool) {
	if _, diags := hcl.ExprMap(e); diags.HasErrors() {
		before := len(r.Diags)
		s, _ := r.String(e)
		if s == "" && len(r.Diags) == before {
			r.Errorf(e.Range(), "Invalid "+name, "An element of the list must not be empty.")
		}
		return limitRef{Item: attr.Item{Value: s, At: e.Range()}}, s != ""
	}
	ref.At = e.Range()
	for _, m := range r.Object(&hcl.Attribute{Name: name, Expr: e}) {
		switch m.Key {
		case "name":
			ref.Value, _ = r.String(m.Value)
			ref.At = m.Value.Range()
		case "cost":
			c := limit.ReadCost(&r.Reader, m.Value, 0)
			ref.cost = &c
		default:
			r.Errorf(m.At, "Unsupported argument", "A limit of a route has a name and a cost, not %q.%s", m.Key, attr.DidYouMean(m.Key, []string{"name", "cost"}))
		}
	}
	if ref.Value == "" && !r.ErrorWithin(e.Range()) {
		r.Errorf(e.Range(), "Missing required argument", "The name of the limit is required.")
	}
	return ref, ref.Value != ""
}

// redactedCost shows a cost: a number, or one for each method and for others.
func redactedCost(c limit.Cost) any {
	if len(c.Methods) == 0 {
		return c.Each
	}
	methods := object{}
	for _, m := range c.Methods {
		methods[m.Method.String()] = m.Cost
	}
	return object{"methods": methods, "others": c.Each}
}

// redactedLimits shows the limits of a route, with the costs that it charges.
func (r *Route) redactedLimits() []any {
	out := []any{}
	for _, name := range r.Limits {
		if c, ok := r.CostOf(name); ok {
			out = append(out, object{"name": name, "cost": redactedCost(c)})
		} else {
			out = append(out, name)
		}
	}
	return out
}

// checkCosts refuses costs that a limit can't be charged.
func (r *reader) checkCosts(t *Route, table *limitTable) {
	for i, name := range t.Limits {
		c, ok := t.CostOf(name)
		s := table.sound[name]
		if !ok || s == nil {
			continue
		}
		if bad := s.CheckCost(c, t.origin.limits[i]); bad != nil {
			r.Diags = append(r.Diags, bad)
		}
	}
}
