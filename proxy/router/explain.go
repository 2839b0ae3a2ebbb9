package router

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Condition is what a rule asks of a request, by the attribute of a policy.
type Condition string

// What a rule may lose by, in the order in which they are looked at: one that
// loses by its method holds otherwise, which makes the difference between 404 and
// 405. Precedence is of rules that hold in full, of which another one comes first.
const (
	ByHost       Condition = "host"
	ByPath       Condition = "path"
	ByHeaders    Condition = "headers"
	ByQuery      Condition = "query"
	ByMethod     Condition = "method"
	ByPrecedence Condition = "precedence"
)

// Considered is what came of one rule for one request.
type Considered struct {
	// Rule is its index.
	Rule int
	// Lost is what it lost by, empty for the rule that has the request.
	Lost Condition
	// Why says so in words, without values of the request's fields and query.
	Why string
}

// Explain tells of every rule what came of it. First come those whose host and
// path cover the request, in the order in which Match tries them; then the others,
// the ones that come closest before the rest. It is for people, and slow: it looks
// at every rule.
func (r *Router) Explain(q *Request) []Considered {
	won := r.Match(q)
	list := make([]considered, 0, len(r.matchers))
	for _, m := range r.matchers {
		list = append(list, r.consider(m, q))
	}
	isHead := r.verbs.bit(q.Method) == head
	slices.SortFunc(list, func(a, b considered) int {
		if a.covers() && b.covers() {
			return inOrder(&a, &b, isHead)
		}
		return cmp.Or(compareBool(b.covers(), a.covers()), cmp.Compare(b.near, a.near), strings.Compare(a.m.name, b.m.name))
	})
	out := make([]Considered, len(list))
	for i := range list {
		c := &list[i]
		out[i] = Considered{Rule: c.m.index, Lost: c.lost, Why: c.why}
		switch {
		case c.lost != "" || c.m.index == won.Rule:
		case won.Rule == MethodNotAllowed: // only such a rule can hold then
			out[i].Lost, out[i].Why = ByPrecedence, "is asked only when no other route covers the request, even for another method"
		default:
			first := r.consider(r.matchers[won.Rule], q)
			out[i].Lost, out[i].Why = ByPrecedence, "matches too, but "+precedence(&first, c, isHead)
		}
	}
	return out
}

// Closest returns the index of the element that lost by the least, -1 when there is
// none: what a person may have meant when nothing matched.
func Closest(list []Considered) int {
	best, least := -1, 0
	for i, c := range list {
		if c.Lost == "" || c.Lost == ByPrecedence {
			continue
		}
		if d := distance(c.Lost); best < 0 || d < least {
			best, least = i, d
		}
	}
	return best
}

func distance(c Condition) int {
	return slices.Index([]Condition{ByMethod, ByHeaders, ByQuery, ByPath, ByHost}, c)
}

// considered is a rule on its way to a Considered.
type considered struct {
	m    *matcher
	host int // of the best host: 0 for itself, larger for shorter wildcards
	lost Condition
	why  string
	near int // how close a rule comes that does not cover the request
}

// covers reports whether host and path do.
func (c *considered) covers() bool { return c.lost != ByHost && c.lost != ByPath }

// hostHolds is how much closer a rule comes whose host is right: more than any
// path could.
const hostHolds = 1 << 30

// anyHost ranks a rule for any host after every wildcard.
const anyHost = maxHost + 2

// consider finds out by what a rule would lose, were it alone.
func (r *Router) consider(m *matcher, q *Request) considered {
	c := considered{m: m, host: hostRank(m, q.Host)}
	path := m.coversPath(q.Path)
	common := m.commonPath(q.Path)
	method := m.named.implied()&r.verbs.bit(q.Method) != 0
	switch {
	case c.host < 0:
		c.lost = ByHost
		c.why = fmt.Sprintf("is for %s", hostList(m.hosts))
		if path {
			c.near = 1 + common
		}
	case !path:
		c.lost, c.why = ByPath, "is for "+m.pathText()
		c.near = hostHolds + common
	default:
		if c.lost, c.why = m.unmet(q); c.lost == "" && !method {
			c.lost, c.why = ByMethod, "takes "+r.methodText(m)
		}
	}
	return c
}

// unmet returns the first header or query condition that does not hold. The value
// that the request has is not shown, only the one that the policy asks for.
func (m *matcher) unmet(q *Request) (Condition, string) {
	for _, p := range m.headers {
		one := conditions{headers: []pair{p}}
		if one.hold(q) {
			continue
		}
		there := false
		if q.Headers != nil {
			_, there = q.Headers.Lookup(p.name)
		}
		return ByHeaders, unmetText("the field", p, there)
	}
	for _, p := range m.query {
		if queryHolds(q.Query, &p) {
			continue
		}
		return ByQuery, unmetText("the parameter", p, queryHas(q.Query, p.name))
	}
	return "", ""
}

func unmetText(what string, p pair, there bool) string {
	if there {
		return fmt.Sprintf("asks for %s %s to be %q, and it is something else", what, p.name, p.value)
	}
	return fmt.Sprintf("asks for %s %s to be %q, and there is none", what, p.name, p.value)
}

func queryHas(query []byte, name string) bool {
	for pair := range bytes.SplitSeq(query, []byte{'&'}) {
		key, _, _ := bytes.Cut(pair, []byte{'='})
		if len(pair) > 0 && FormEqual(key, name) {
			return true
		}
	}
	return false
}

// hostRank returns how specific the rule's best host for the request is, less is
// more; -1 when it has none.
func hostRank(m *matcher, host []byte) int {
	name := string(AppendHost(nil, host))
	best := -1
	take := func(rank int) {
		if best < 0 || rank < best {
			best = rank
		}
	}
	for _, h := range m.hosts {
		switch {
		case h == "":
			take(anyHost)
		case h == name && name[0] != '.':
			take(0)
		case h[0] == '.' && len(name) > len(h) && strings.HasSuffix(name, h):
			take(anyHost - len(h))
		}
	}
	return best
}

// coversPath reports whether the rule's path covers a path in normal form.
func (m *matcher) coversPath(path []byte) bool {
	if len(path) == 0 || path[0] != '/' {
		return false
	}
	switch m.kind {
	case exact:
		return string(path) == m.path
	case pattern:
		return m.patternCovers(path)
	case regex:
		return hasPrefix(path, m.literal) && m.regex.Match(path)
	default:
		return hasPrefix(path, m.path) && (len(path) == len(m.path) || path[len(m.path)] == '/')
	}
}

func (m *matcher) patternCovers(path []byte) bool {
	segments := bytes.Split(path[1:], []byte{'/'})
	if len(segments) != len(m.parts) {
		return false
	}
	for i, part := range m.parts {
		if part.variable && len(segments[i]) == 0 || !part.variable && string(segments[i]) != part.literal {
			return false
		}
	}
	return true
}

// commonPath is how many octets of the path the rule's own begins with.
func (m *matcher) commonPath(path []byte) int {
	own := m.path
	switch m.kind {
	case regex:
		own = m.literal
	case pattern:
		own, _, _ = strings.Cut(m.path, "{}")
	}
	n := 0
	for n < len(own) && n < len(path) && own[n] == path[n] {
		n++
	}
	return n
}

func (m *matcher) pathText() string {
	switch m.kind {
	case exact:
		return "the path " + m.path
	case pattern:
		return "paths like " + m.path
	case regex:
		return "paths that match " + m.path
	}
	if m.path == "" {
		return "every path"
	}
	return "paths from " + m.path + " on"
}

func (r *Router) methodText(m *matcher) string {
	var names []string
	for i, name := range r.verbs.names {
		if m.named.implied()&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// shownHosts bounds the hosts of a rule that are listed.
const shownHosts = 3

func hostList(keys []string) string {
	var names []string
	for _, k := range keys[:min(len(keys), shownHosts)] {
		names = append(names, hostText(k))
	}
	if more := len(keys) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// The ranks of two rules that cover a request, each by what it is compared by.
var ranks = []struct {
	compare func(a, b *considered, head bool) int
	text    string
}{
	{func(a, b *considered, _ bool) int { return compareBool(a.m.last, b.m.last) }, "routes of policies come before those from elsewhere"},
	{func(a, b *considered, _ bool) int { return cmp.Compare(a.host, b.host) }, "its host is more specific"},
	{func(a, b *considered, _ bool) int { return cmp.Compare(a.m.kind, b.m.kind) }, "its kind of path comes first"},
	{func(a, b *considered, _ bool) int { return comparePaths(a.m, b.m) }, "its path is more specific"},
	{func(a, b *considered, head bool) int {
		if !head {
			return 0
		}
		return cmp.Compare(a.m.headRank(), b.m.headRank())
	}, "it names the method"},
	{func(a, b *considered, _ bool) int { return cmp.Compare(min(b.m.named, 1), min(a.m.named, 1)) }, "it names the method"},
	{func(a, b *considered, _ bool) int { return cmp.Compare(b.m.weight(), a.m.weight()) }, "it asks for more fields or parameters"},
	{func(a, b *considered, _ bool) int { return strings.Compare(a.m.name, b.m.name) }, "its name comes first"},
}

// inOrder compares two rules that cover a request by the order of Match.
func inOrder(a, b *considered, head bool) int {
	for _, r := range ranks {
		if c := r.compare(a, b, head); c != 0 {
			return c
		}
	}
	return 0
}

// precedence says why first comes before c.
func precedence(first, c *considered, head bool) string {
	for _, r := range ranks {
		if r.compare(first, c, head) < 0 {
			return fmt.Sprintf("%s comes first: %s", first.m.name, r.text)
		}
	}
	return first.m.name + " comes first"
}

// comparePaths compares two paths of one kind that cover the same path.
func comparePaths(a, b *matcher) int {
	switch a.kind {
	case pattern:
		return slices.CompareFunc(a.parts, b.parts, func(x, y segment) int { return compareBool(x.variable, y.variable) })
	case prefix:
		return cmp.Compare(len(b.path), len(a.path))
	}
	return 0
}

// compareBool puts false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
