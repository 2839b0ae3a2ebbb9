package limit

import (
	"math"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// Cost is what a request is charged: so much, unless its method has a price of its
// own. The zero value charges nothing.
type Cost struct {
	// Each is what a request is charged whose method is not in Methods.
	Each int64
	// Methods are the prices of single methods, in the order of the methods; 0 is
	// for nothing.
	Methods []MethodCost
}

// MethodCost is the price of one method.
type MethodCost struct {
	Method proxy.Method
	Cost   int64
}

// Equal reports whether two costs are alike.
func (c Cost) Equal(o Cost) bool { return c.Each == o.Each && slices.Equal(c.Methods, o.Methods) }

// Most is the largest price.
func (c Cost) Most() int64 {
	most := c.Each
	for _, m := range c.Methods {
		most = max(most, m.Cost)
	}
	return most
}

// prices is a Cost by method.
type prices [proxy.MethodTrace + 1]int64

// prices asks of a HEAD what a GET costs, unless it has a price of its own.
func (c Cost) prices() (p prices) {
	for i := range p {
		p[i] = c.Each
	}
	for _, m := range c.Methods {
		p[m.Method] = m.Cost
		if m.Method == proxy.MethodGet { // comes before HEAD
			p[proxy.MethodHead] = m.Cost
		}
	}
	return p
}

// ReadCost reads a cost: a whole number from least, or an object of methods and
// theirs, in which other methods cost DefaultCost. An attribute that is absent
// (nil) or null stands for DefaultCost.
func ReadCost(r *attr.Reader, e hcl.Expression, least int64) Cost {
	byDefault := Cost{Each: DefaultCost}
	if e == nil {
		return byDefault
	}
	if _, diags := hcl.ExprMap(e); diags.HasErrors() {
		return Cost{Each: r.Int(&hcl.Attribute{Name: "cost", Expr: e}, DefaultCost, least, math.MaxInt64)}
	}
	c := byDefault
	seen := map[string]bool{}
	for _, m := range r.Object(&hcl.Attribute{Name: "cost", Expr: e}) {
		method := proxy.MethodOf([]byte(m.Key))
		switch {
		case seen[m.Key]:
			r.Errorf(m.At, "Duplicate name", "%q is in this object already.", m.Key)
		case m.Key == proxy.MethodOther.String():
			c.Each = readPrice(r, m)
		case method == proxy.MethodOther:
			r.Errorf(m.At, "Invalid cost", "%q is not a method that has a cost of its own. Those are %s, and %q for the rest.%s",
				m.Key, strings.Join(methodNames(), ", "), proxy.MethodOther, attr.DidYouMean(m.Key, methodNames()))
		default:
			c.Methods = append(c.Methods, MethodCost{method, readPrice(r, m)})
		}
		seen[m.Key] = true
	}
	slices.SortFunc(c.Methods, func(a, b MethodCost) int { return int(a.Method) - int(b.Method) })
	return c
}

func readPrice(r *attr.Reader, m attr.Member) int64 {
	if v, diags := m.Value.Value(nil); !diags.HasErrors() && v.IsNull() {
		return DefaultCost
	}
	return r.Int(&hcl.Attribute{Name: "cost", Expr: m.Value}, DefaultCost, 0, math.MaxInt64)
}

func methodNames() []string {
	var names []string
	for m := proxy.MethodGet; m <= proxy.MethodTrace; m++ {
		if m != proxy.MethodConnect { // never gets as far as a limit of a route
			names = append(names, m.String())
		}
	}
	return names
}

// CheckCost refuses what a limit can't be charged: nil if nothing is wrong. at is
// where the cost is written.
func (s *Spec) CheckCost(c Cost, at hcl.Range) *hcl.Diagnostic {
	_, adaptive := s.Limit.(limits.AdaptiveConcurrencySpec)
	one := c.Equal(Cost{Each: DefaultCost})
	switch capacity := s.Limit.Capacity(); {
	case adaptive && !one:
		return attr.Fault(at, "Invalid cost", "The limit %q counts requests, whatever they are: it has no cost.", s.Name)
	case s.Unit == Bytes && !one:
		return attr.Fault(at, "Invalid cost", "The limit %q counts bytes: a request costs as many as its body has.", s.Name)
	case c.Most() > capacity:
		return attr.Fault(at, "Cost exceeds the capacity", "A request costs %d, but at most %d can ever be spent at once, so that none would pass.", c.Most(), capacity)
	}
	return nil
}

// cost is what the limit charges an exchange.
func (l *Limit) cost(x *proxy.Exchange) int64 {
	if l.Spec.Unit == Bytes {
		return l.bytes(x)
	}
	return l.prices[x.Request.Verb]
}

// Charging returns the same limit, with the same budgets and counters, that
// charges something else.
func (l *Limit) Charging(c Cost) *Limit {
	out := *l
	out.prices = c.prices()
	return &out
}
