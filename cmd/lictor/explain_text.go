package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/lictor/lictor/agent"
	"github.com/lictor/lictor/proxy"
)

// explained turns an answer into a tree for people.
func explained(v *agent.ExplainAnswer) *branch {
	root := &branch{}
	outcome(root, v)
	request(root, v)
	routes(root, v)
	if len(v.GatewaySteps) > 0 {
		stepsBelow(root.add(strong, "Gateway steps, before there is a route"), v.GatewaySteps)
	}
	if len(v.Steps) > 0 {
		stepsBelow(root.add(strong, "Steps of route %s", v.Route), v.Steps)
	}
	if u := v.Upstream; u != nil {
		goesTo(root, u)
	}
	if s := v.Sent; s != nil {
		sent(root, s, v.Outcome.Reaches)
	}
	if len(v.Warnings) > 0 {
		b := root.add(strong, "Warnings")
		for _, w := range v.Warnings {
			b.add(unsure, "%s", w)
		}
	}
	return root
}

func outcome(root *branch, v *agent.ExplainAnswer) {
	o := &v.Outcome
	if o.Reaches {
		b := root.add(good, "REACHES an instance by route %s", v.Route)
		if v.Upstream != nil && v.Upstream.Pick != "" {
			b.text += ": " + v.Upstream.Pick
		}
		if !o.Certain {
			b.text, b.mood = b.text+", as far as can be known without sending it", unsure
		}
		return
	}
	what := "ANSWERED by the gateway"
	m := unsure
	if o.Status >= 400 || o.Problem != "" { // gRPC is told of a problem with 200
		what, m = "REFUSED", bad
	}
	b := root.add(m, "%s with %d%s", what, o.Status, clause(": ", o.Title))
	if o.Problem != "" {
		b.add(plain, "type: %s", o.Problem)
	}
	if o.Detail != "" {
		b.add(plain, "detail: %s", o.Detail)
	}
	if o.Cause != "" && o.Cause != o.Detail {
		b.add(plain, "cause, which clients are not told: %s", o.Cause)
	}
	for _, f := range o.Fields {
		if !strings.EqualFold(f.Name, "Content-Type") && !strings.EqualFold(f.Name, "Proxy-Status") {
			b.add(faint, "%s: %s", f.Name, f.Value)
		}
	}
	if !o.Certain {
		b.add(unsure, "a step on the way could not be asked, so that something else may become of it")
	}
}

func clause(lead, s string) string {
	if s == "" {
		return ""
	}
	return lead + s
}

func request(root *branch, v *agent.ExplainAnswer) {
	r := &v.Request
	url := r.Scheme + "://" + r.Host + r.Path + clause("?", r.Query)
	b := root.add(strong, "Request %s %s", r.Method, url)
	from := r.Client
	if r.Peer != r.Client {
		from += ", by the proxy " + r.Peer
	}
	b.add(plain, "from %s, by listener %s", from, r.Listener)
	if r.Normal != "" && r.Normal != r.Path {
		b.add(plain, "its path in normal form, by which routes are found: %s", r.Normal)
	}
	b.add(faint, "generation %d", v.Generation)
}

func routes(root *branch, v *agent.ExplainAnswer) {
	if len(v.Routes) == 0 {
		return
	}
	title := "Route " + v.Route
	if v.Route == "" {
		title = "No route"
	}
	b := root.add(strong, "%s", title)
	for _, r := range v.Routes {
		switch {
		case r.Won:
			b.add(good, "%s has it%s", r.Name, clause(", ", r.At))
		case r.Closest:
			b.add(unsure, "%s comes closest: by %s, it %s%s", r.Name, r.Lost, r.Why, clause(", ", r.At))
		default:
			b.add(faint, "%s not: by %s, it %s", r.Name, r.Lost, r.Why)
		}
	}
	if v.RoutesLeftOut > 0 {
		b.add(faint, "%d more, further off", v.RoutesLeftOut)
	}
}

func stepsBelow(b *branch, list []proxy.Explanation) {
	for i := range list {
		s := &list[i]
		m := plain
		switch s.Verdict {
		case proxy.Passes:
			m = good
		case proxy.Refuses:
			m = bad
		case proxy.NotReached:
			m = faint
		case proxy.Delayed, proxy.WouldRefuse, proxy.Answers, proxy.NotKnown, proxy.NotExplained:
			m = unsure
		}
		n := b.add(m, "%s %s%s", s.Step, s.Verdict, clause(": ", s.Why))
		factsBelow(n, s.Facts)
		stepsBelow(n, s.Parts)
	}
}

// factsBelow puts the facts of one level on a line, and such of several below.
func factsBelow(b *branch, facts proxy.Facts) {
	var line []string
	for _, f := range facts {
		name := strings.ReplaceAll(strings.TrimSuffix(f.Name, "_ms"), "_", " ")
		switch v := f.Value.(type) {
		case proxy.Facts:
			if len(v) == 1 {
				b.add(plain, "%s %s: %s", name, v[0].Name, value(v[0]))
				continue
			}
			inner := b.add(plain, "%s", name)
			for _, one := range v {
				inner.add(plain, "%s: %s", one.Name, value(one))
			}
		default:
			line = append(line, name+" "+value(f))
		}
	}
	if len(line) > 0 {
		b.add(plain, "%s", strings.Join(line, ", "))
	}
}

// value writes a fact, times in words.
func value(f proxy.Fact) string {
	if strings.HasSuffix(f.Name, "_ms") {
		if d, err := time.ParseDuration(fmt.Sprint(f.Value) + "ms"); err == nil {
			return d.String()
		}
	}
	if list, ok := f.Value.([]any); ok {
		return strings.Trim(fmt.Sprint(list), "[]")
	}
	return fmt.Sprint(f.Value)
}

func goesTo(root *branch, u *agent.ExplainUpstream) {
	for i, s := range u.Services {
		title := "Service " + s.Name
		if i > 0 && (s.Share == nil || s.Share.String() == u.Services[i-1].Share.String()) {
			title = "Then service " + s.Name
		}
		title += clause(" in ", s.Datacenter)
		how := u.Spoken
		if s.Share != nil {
			title, how = "Share "+s.Share.String()+": "+strings.ToLower(title[:1])+title[1:], s.Spoken
		}
		b := root.add(strong, "%s, %s, spoken to %s", title, u.Balance, spoken(how))
		switch {
		case !s.Known:
			b.add(bad, "no source of the catalog has answered yet")
		case !s.Registered:
			b.add(bad, "not registered in %s", s.Source)
		default:
			text := "known from " + s.Source
			if s.Index > 0 {
				text += fmt.Sprintf(", index %d", s.Index)
			}
			if s.AgeMS > 0 {
				text += fmt.Sprintf(", not confirmed for %s", time.Duration(s.AgeMS)*time.Millisecond)
			}
			b.add(plain, "%s", text)
		}
		if s.Stale {
			b.add(unsure, "stale: from an earlier run, not confirmed since")
		}
		if s.Held != "" {
			b.add(unsure, "an answer is being held back: %s", s.Held)
		}
		if s.Error != "" {
			b.add(unsure, "the source can't be followed: %s", s.Error)
		}
		for j := range s.Instances {
			instance(b, &s.Instances[j], u, s.Share == nil || s.Next)
		}
	}
	if u.Reason != "" && len(u.Services) > 0 {
		root.below[len(root.below)-1].add(bad, "nobody can be asked: %s", u.Reason)
	}
}

func spoken(how string) string {
	switch how {
	case "mesh":
		return "through the mesh"
	case "tls":
		return "by TLS"
	}
	return "in clear"
}

func instance(b *branch, i *agent.InstanceInfo, u *agent.ExplainUpstream, next bool) {
	m, chosen := plain, ""
	switch {
	case next && i.ID == u.Pick && u.Probe:
		m, chosen = unsure, ", would be tried again by this request"
	case next && i.ID == u.Pick:
		m, chosen = good, ", would be asked now"
	case i.Why != "":
		m = bad
	}
	name := i.ID
	if i.Address != i.ID {
		name += " at " + i.Address
	}
	n := b.add(m, "%s: %s, %s, %d in flight, weight %d%s", name, cmp.Or(i.State, "open"), i.Health, i.InFlight, i.Weight, chosen)
	if i.Why != "" && i.Why != i.Health {
		n.add(plain, "%s", i.Why)
	}
	if i.Output != "" {
		n.add(plain, "check: %s", clip(i.Output))
	}
}

// clip shortens what a check has to say.
func clip(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

func sent(root *branch, s *agent.ExplainSent, reaches bool) {
	title := "The instance is sent"
	if !reaches {
		title = "An instance would be sent"
	}
	b := root.add(strong, "%s %s %s%s", title, s.Method, s.Path, clause("?", s.Query))
	b.add(plain, "Host: %s", s.Host)
	for _, f := range s.Added {
		b.add(plain, "%s: %s", f.Name, f.Value)
	}
	if len(s.Kept) > 0 {
		b.add(faint, "and of the client's: %s", strings.Join(s.Kept, ", "))
	}
	if len(s.Removed) > 0 {
		b.add(faint, "without the client's: %s", strings.Join(s.Removed, ", "))
	}
}
