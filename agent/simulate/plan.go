package simulate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/ipaccess"
	"github.com/lictor/lictor/proxy/step/limit"
)

// plan is a policy, made ready to be asked about the past.
type plan struct {
	table   *proxy.Table
	tallies []*tally // one for each limit of the policy, in its order
	notes   []string
}

// build makes a table of routes and limits as the agent does, without what a log
// says nothing of.
func build(p *config.Policy, holds Holds) (*plan, error) {
	out := &plan{}
	var named []string
	for i := range p.Routes {
		named = append(named, p.Routes[i].Hosts...)
	}
	hosts := limit.NewHosts(named)
	for i := range p.Limits {
		s := &p.Limits[i]
		t := newTally(s)
		if t.why = whyNot(s, holds); t.why == "" {
			t.limit = limit.New(*s, s.Limit.New(limits.Options{MaxKeys: s.MaxKeys}), nil, hosts)
		}
		out.tallies = append(out.tallies, t)
	}
	var routes []*proxy.Route
	for i := range p.Routes {
		r := &p.Routes[i]
		routes = append(routes, &proxy.Route{
			Rule: r.Rule(), Service: r.MainService(), Timeout: r.Timeout, MaxBody: r.MaxBody,
			Steps: out.steps(access(p.EffectiveSteps(r)), p.EffectiveLimits(r), r),
		})
	}
	var err error
	if out.table, err = proxy.NewTable(1, out.steps(access(p.GatewaySteps), p.Gateway, nil), routes); err != nil {
		return nil, err
	}
	out.remark(p, holds)
	return out, nil
}

// accessStep is the block whose step needs nothing but the client's address.
const accessStep = "ip_access"

func access(blocks []config.Step) []proxy.Step {
	for _, s := range blocks {
		if spec, ok := s.Spec.(*ipaccess.Spec); ok && s.Type == accessStep {
			return []proxy.Step{ipaccess.New(spec)}
		}
	}
	return nil
}

// steps appends the phase of the limits that can be simulated. They are all of one
// turn: those of tokens and of what a service can bear are not among them.
func (p *plan) steps(steps []proxy.Step, names []string, r *config.Route) []proxy.Step {
	var list []*limit.Limit
	byInfo := map[*proxy.LimitInfo]*tally{}
	for _, n := range names {
		i := slices.IndexFunc(p.tallies, func(t *tally) bool { return t.spec.Name == n })
		t := p.tallies[i]
		t.used = true
		if t.limit == nil {
			continue
		}
		l := t.limit
		if r != nil {
			if c, ok := r.CostOf(n); ok {
				l = l.Charging(c)
			}
		}
		list = append(list, l)
		byInfo[l.Info] = t
	}
	inner := limit.NewReplayed(list)
	if inner == nil {
		return steps
	}
	out := &phase{inner: inner}
	for _, l := range inner.Limits() {
		out.tallies = append(out.tallies, byInfo[l.Info])
	}
	return append(steps, out)
}

// phase is a step that takes down what the limits of another one decide.
type phase struct {
	inner   *limit.Phase
	tallies []*tally
}

// Request implements proxy.Step.
func (p *phase) Request(x *proxy.Exchange) bool {
	first := len(x.Verdicts)
	ok := p.inner.Request(x)
	for i := range x.Verdicts[first:] {
		p.tallies[i].note(p.inner.Limits()[i], x, &x.Verdicts[first+i], ok)
	}
	return ok
}

// whyNot says why a limit can't be simulated, empty when it can.
func whyNot(s *limit.Spec, holds Holds) string {
	var missing []string
	for i := range s.Key {
		if k := &s.Key[i]; !told(k, holds) {
			missing = append(missing, k.String())
		}
	}
	if s.Unit == limit.Bytes && !holds.Bytes {
		missing = append(missing, "the length of bodies")
	}
	if s.Algorithm == limits.ConcurrencyName && !holds.Duration {
		missing = append(missing, "how long requests took")
	}
	switch {
	case s.Mode == limit.Disabled:
		return "disabled"
	case s.Algorithm == limits.AdaptiveConcurrencyName, s.Holds() && s.Algorithm != limits.ConcurrencyName:
		return "not simulated: it follows how a service answers, which would have been different"
	case len(missing) > 0:
		return "not in the log: " + strings.Join(missing, ", ")
	}
	return ""
}

// told reports whether the log tells this part of a key.
func told(k *limit.KeyPart, holds Holds) bool {
	switch k.Kind {
	case limit.ClientIP, limit.RequestMethod, limit.RouteName, limit.ServiceName:
		return true
	case limit.RequestHost:
		return holds.Host
	case limit.RequestHeader:
		return holds.tellsField(k.Name)
	}
	return false
}

// tellsField says of which fields, in lower case, the log tells the value.
func (h Holds) tellsField(name string) bool {
	return h.Agent && (name == "user-agent" || name == "referer")
}

// remark notes what else the log doesn't tell, or can't be known from it.
func (p *plan) remark(c *config.Policy, holds Holds) {
	note := func(format string, args ...any) { p.notes = append(p.notes, fmt.Sprintf(format, args...)) }
	if !holds.Instant {
		note("The log tells whole seconds: requests of one second are taken to be spread evenly over it, in the order of the log, so that bursts within a second are not seen.")
	}
	for _, t := range p.tallies {
		if t.limit == nil || !t.used {
			continue
		}
		s := t.spec
		switch s.Scope {
		case limit.Shared, limit.FleetShare:
			note("The limit %q has scope = %q and is simulated as one budget for all that the log tells of.", s.Name, s.Scope)
		case limit.Local:
		}
		if q, ok := s.Limit.(limits.LeakyBucketSpec); ok && q.Queue > 0 {
			note("The limit %q delays: how many may wait in the whole gateway is not simulated.", s.Name)
		}
		if s.Holds() {
			note("The limit %q counts what is in flight by the durations in the log: what was refused then took no time.", s.Name)
		}
	}
	for _, s := range c.GatewaySteps {
		if s.Type != accessStep {
			note("The step %s of the gateway is not simulated: every request is taken to pass it.", s.Type)
		}
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		if len(r.Hosts) > 0 && !holds.Host {
			note("The route %q asks for a host, which is not in the log: it takes no request unless the host is given.", r.Name)
		}
		for _, name := range sortedKeys(r.Headers) {
			if !holds.tellsField(strings.ToLower(name)) {
				note("The route %q asks for the field %s, which is not in the log: it takes no request.", r.Name, name)
			}
		}
		for _, s := range c.EffectiveSteps(r) {
			if s.Type != accessStep && s.Type != "redirect" {
				note("The step %s of the route %q is not simulated: every request is taken to pass it.", s.Type, r.Name)
			}
		}
	}
	p.notes = slices.Compact(p.notes)
}

func sortedKeys(m map[string]string) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
