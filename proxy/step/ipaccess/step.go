package ipaccess

import "github.com/lictor/lictor/proxy"

// Step refuses clients by their addresses. It implements proxy.Step and allocates
// nothing for who may come.
type Step struct {
	set   *Set
	rules int
}

// New returns the step for a Spec that was decoded without an error.
func New(s *Spec) *Step { return &Step{s.Set, s.Rules} }

// Request implements proxy.Step. The client hears no more than that it may not
// come: which list it is on is nobody's business.
func (s *Step) Request(x *proxy.Exchange) bool {
	if s.set.Allows(x.Client) {
		x.Count(proxy.AddressAllowed)
		return true
	}
	x.Count(proxy.AddressRefused)
	x.Answer(proxy.AddressDenied, "", nil)
	return false
}

// Explain implements proxy.Explainer.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	v.Step = "ip_access"
	v.Say("networks", s.rules)
	if s.set.Allows(x.Client) {
		return true
	}
	v.Why = "the client's address is denied, or nobody allows it"
	x.Answer(proxy.AddressDenied, "", nil)
	return false
}
