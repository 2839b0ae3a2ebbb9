package router

import (
	"cmp"
	"slices"
	"strings"
)

// A Shadow is a rule that can never win.
type Shadow struct {
	// Rule is the index of the rule.
	Rule int
	// By is the index of a rule that comes first wherever Rule holds (under its
	// first host, if others do so under the others), or NoRoute if Rule holds
	// nowhere: its regex fits no path in normal form.
	By int
}

// Unreachable returns the rules that can never win, in their order, for a
// warning. A rule is reported only if it is certain that under each of its
// hosts one other rule covers all of its paths, methods and conditions and
// precedes it. That several rules together cover it, or that its conditions
// exclude each other, is not noticed, nor is what costs too much to find out.
func (r *Router) Unreachable() []Shadow {
	s := &shadows{
		normal: newAutomaton(normalPaths),
		paths:  map[*matcher]*automaton{},
		hosts:  map[string]*peers{},
	}
	for _, m := range r.matchers {
		if m.last != r.last {
			continue
		}
		for _, host := range m.hosts {
			p := s.hosts[host]
			if p == nil {
				p = &peers{exact: map[string][]*matcher{}}
				s.hosts[host] = p
			}
			switch m.kind {
			case exact:
				p.exact[m.path] = append(p.exact[m.path], m)
			case pattern:
				p.patterns = append(p.patterns, m)
			case regex:
				p.regexes = append(p.regexes, m)
			}
		}
	}
	var out []Shadow
	for _, m := range r.matchers {
		if m.last != r.last {
			continue
		}
		if by, ok := s.shadow(m); ok {
			out = append(out, Shadow{Rule: m.index, By: by})
		}
	}
	if r.after != nil {
		out = append(out, r.after.Unreachable()...)
		slices.SortFunc(out, func(a, b Shadow) int { return cmp.Compare(a.Rule, b.Rule) })
	}
	return out
}

// peers are the rules of one host that may shadow others. Prefixes never do:
// they come last, a longer one covers less, an equal one is a conflict.
type peers struct {
	exact             map[string][]*matcher
	patterns, regexes []*matcher
}

type shadows struct {
	normal *automaton
	paths  map[*matcher]*automaton
	hosts  map[string]*peers
}

func (s *shadows) automaton(m *matcher) *automaton {
	a := s.paths[m]
	if a == nil {
		a = newAutomaton(m.expression())
		s.paths[m] = a
	}
	return a
}

// shadow returns what shadows a rule. Exact paths come first and are never
// shadowed.
func (s *shadows) shadow(m *matcher) (by int, ok bool) {
	var samples []string // paths the rule covers
	switch m.kind {
	case exact:
		return 0, false
	case pattern:
		samples = []string{m.path} // one only if there are no variables
	case regex:
		text, sure := member([]*automaton{s.normal, s.automaton(m)}, nil)
		if !sure {
			return 0, false
		}
		if text == "" {
			return NoRoute, true
		}
		samples = []string{text}
	default:
		samples = []string{m.path + "/", m.path + "/~/~"}
	}
	by = NoRoute
	for _, host := range m.hosts {
		other := s.first(m, s.hosts[host], samples)
		if other == nil {
			return 0, false
		}
		if by == NoRoute {
			by = other.index
		}
	}
	return by, true
}

// first returns a rule among peers that shadows m, nil if there is none.
func (s *shadows) first(m *matcher, p *peers, samples []string) *matcher {
	var lists [][]*matcher
	switch m.kind {
	case pattern:
		lists = [][]*matcher{p.exact[samples[0]]}
	case regex:
		lists = [][]*matcher{p.exact[samples[0]], p.patterns, p.regexes}
	case prefix:
		lists = [][]*matcher{p.regexes}
	}
	for _, list := range lists {
		for _, other := range list {
			if other != m && other.outranks(m) && s.covers(other, m, samples) {
				return other
			}
		}
	}
	return nil
}

// outranks reports whether m, whose kind of path is that of o or a more
// specific one, precedes o and holds by methods and conditions wherever o does.
func (m *matcher) outranks(o *matcher) bool {
	wide, narrow := m.named.implied(), o.named.implied()
	if narrow&^wide != 0 || !subset(m.headers, o.headers) || !subset(m.query, o.query) {
		return false
	}
	if m.kind < o.kind {
		return true
	}
	// For HEAD, naming it precedes implying it.
	return precede(m, o) < 0 && o.named&head&^m.named == 0
}

// covers reports whether m covers all the paths of o, of which some are given.
func (s *shadows) covers(m, o *matcher, samples []string) bool {
	for _, path := range samples {
		switch {
		case m.kind == regex && !m.regex.MatchString(path), m.kind == pattern && !m.fits(path):
			return false
		}
	}
	text, sure := member([]*automaton{s.normal, s.automaton(o)}, []*automaton{s.automaton(m)})
	return sure && text == ""
}

// fits reports whether a pattern covers a path.
func (m *matcher) fits(path string) bool {
	for _, part := range m.parts {
		if path == "" {
			return false
		}
		text, _, _ := strings.Cut(path[1:], "/")
		if part.variable && text == "" || !part.variable && text != part.literal {
			return false
		}
		path = path[1+len(text):]
	}
	return path == ""
}

func subset(some, all []pair) bool {
	for _, p := range some {
		if !slices.Contains(all, p) {
			return false
		}
	}
	return true
}
