package router

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// The results of Match that are not the index of a rule.
const (
	// NoRoute means that no rule covers the request: 404.
	NoRoute = -1
	// MethodNotAllowed means that some rule covers all of the request but its
	// method: 405, with Allow.
	MethodNotAllowed = -2
)

// A Request is what rules look at. Nothing of it is kept or changed.
type Request struct {
	Host   []byte // as received: case, port and trailing dot do not matter
	Path   []byte // in normal form, see Normalize
	Method []byte
	Query  []byte // without the '?', as received
	// Headers may be nil, which is none.
	Headers Headers
}

// Headers are the fields of a request.
type Headers interface {
	// Lookup returns the value of a field and whether it is there. The name is
	// in lower case. Several lines of the field are one value, joined by ", " in
	// their order (RFC 9110, 5.2), so that a line added by the client can
	// prevent a match but never hide behind one.
	Lookup(name string) (value []byte, ok bool)
}

// A Match is the result of matching one request.
type Match struct {
	// Rule is the index of the rule, NoRoute or MethodNotAllowed.
	Rule  int
	allow methods
}

// A Router finds the rule for a request. It is immutable and may be used by
// any number of goroutines.
type Router struct {
	hosts     map[string]*tier  // by key of compileHost
	any       *tier             // rules for any host; nil if there are none
	suffixes  [maxHost + 2]bool // lengths of the wildcards' keys
	wildcards bool              // there are some
	verbs     *verbs
	matchers  []*matcher // of after too
	last      bool       // it is an after itself
	after     *Router    // of the rules that are asked last; nil if there are none
}

// A tier is the rules of one host, wildcard, or any host.
type tier struct {
	paths    node    // exact paths and prefixes
	patterns *branch // nil if there are none
	regexes  *leaf   // nil if there are none; in one list, as they are peers
}

// A leaf is the rules with one path, or all the regexes of a tier, in the order
// in which they are tried.
type leaf struct {
	rules []candidate
	// head is the order for HEAD where it differs: rules that name HEAD come
	// before those that only imply it.
	head []candidate
	up   *leaf // of a prefix: the next shorter one
}

type candidate struct {
	methods methods // with what they imply
	rule    int
	more    *conditions // nil if there are none
}

// New builds a router. Its error is RuleErrors with every fault of every rule,
// or, if each is sound by itself, with every pair of rules exactly alike: of
// which nothing but the name would say which one has some request.
func New(rules []Rule) (*Router, error) {
	r := &Router{hosts: map[string]*tier{}, verbs: newVerbs()}
	var faults RuleErrors
	names := map[string]bool{}
	for i := range rules {
		m, errs := compile(i, &rules[i], r.verbs)
		if names[m.name] && m.name != "" {
			errs = append(errs, &RuleError{Rule: i, Name: m.name, Field: "name", Err: errors.New("is taken by another route")})
		}
		names[m.name] = true
		faults = append(faults, errs...)
		r.matchers = append(r.matchers, m)
	}
	if faults == nil {
		faults = conflicts(r.matchers)
	}
	if faults != nil {
		return nil, faults
	}
	r.plant()
	if slices.ContainsFunc(r.matchers, func(m *matcher) bool { return m.last }) {
		r.after = &Router{hosts: map[string]*tier{}, verbs: r.verbs, matchers: r.matchers, last: true}
		r.after.plant()
	}
	return r, nil
}

// plant builds the trees. Rules are added in the order of their precedence, so
// that each leaf is in that order.
func (r *Router) plant() {
	sorted := slices.Clone(r.matchers)
	slices.SortFunc(sorted, precede)
	for _, m := range sorted {
		if m.last != r.last {
			continue
		}
		c := candidate{methods: m.named.implied(), rule: m.index}
		if m.regex != nil || len(m.headers)+len(m.query) > 0 {
			c.more = &m.conditions
		}
		for _, host := range m.hosts {
			l := r.tier(host).leaf(m)
			l.rules = append(l.rules, c)
		}
	}
	seal := func(l *leaf) {
		if l == nil {
			return
		}
		l.head = slices.Clone(l.rules)
		slices.SortStableFunc(l.head, func(a, b candidate) int {
			return cmp.Compare(r.matchers[a.rule].headRank(), r.matchers[b.rule].headRank())
		})
		if slices.Equal(l.head, l.rules) {
			l.head = l.rules
		}
	}
	for _, t := range r.hosts {
		t.paths.chain(nil)
		t.paths.each(seal)
		t.patterns.each(seal)
		seal(t.regexes)
	}
	r.any = r.hosts[""]
}

// precede compares two rules whose host and path are equally specific.
func precede(a, b *matcher) int {
	return cmp.Or(
		cmp.Compare(min(b.named, 1), min(a.named, 1)),
		cmp.Compare(b.weight(), a.weight()),
		strings.Compare(a.name, b.name),
	)
}

// weight is the number of header and query conditions.
func (m *matcher) weight() int { return len(m.headers) + len(m.query) }

// headRank orders peers for a HEAD request: HEAD by name, implied by GET or not
// meant, any method.
func (m *matcher) headRank() int {
	switch {
	case m.named&head != 0:
		return 0
	case m.named != 0:
		return 1
	}
	return 2
}

func (r *Router) tier(host string) *tier {
	t := r.hosts[host]
	if t == nil {
		t = &tier{}
		r.hosts[host] = t
		if strings.HasPrefix(host, ".") {
			r.suffixes[len(host)] = true
			r.wildcards = true
		}
	}
	return t
}

// leaf is where a rule belongs in its tier.
func (t *tier) leaf(m *matcher) *leaf {
	var at **leaf
	switch m.kind {
	case exact:
		at = &t.paths.at(m.path).exact
	case pattern:
		if t.patterns == nil {
			t.patterns = &branch{}
		}
		at = &t.patterns.at(m.parts).end
	case regex:
		at = &t.regexes
	default:
		at = &t.paths.at(m.path).prefix
	}
	if *at == nil {
		*at = &leaf{}
	}
	return *at
}
