package router

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// A Rule says which requests belong to one route. All of what it states must
// hold; the zero value of a field states nothing. At most one of the four path
// fields may be set; a rule with none of them covers every path, like the
// prefix "/".
//
// Paths are written as a person reads them: what a path may not hold bare is
// escaped for them, and escapes are normalised as they are in requests. Dot
// segments and empty segments are refused, since no normal path has them.
type Rule struct {
	// Name identifies the rule in errors and decides last of all which of two
	// rules comes first. It must be unique and not empty.
	Name string

	// Hosts are names, IPv6 or IPv4 literals, or wildcards: "*.example.com" is
	// one or more labels in front of example.com, "*" is any host. None is any
	// host too.
	Hosts []string

	// Path is one exact path. /a and /a/ differ.
	Path string

	// PathPattern is a path of which whole segments may be variables, as in
	// "/orders/{id}". A variable is one segment and never empty.
	PathPattern string

	// PathRegex is an RE2 expression for the whole path in normal form.
	PathRegex string

	// PathPrefix covers itself and all below, by whole segments: /a covers /a
	// and /a/b, not /ab. A trailing slash means nothing: /a/ is /a.
	PathPrefix string

	// Methods are exact and upper-case; GET answers for HEAD as well. None is
	// any method.
	Methods []string

	// Headers are fields that must be there with just that value; the names
	// have no case.
	Headers map[string]string

	// Query are parameters that must be there with just that value, decoded.
	// Of a parameter given several times the first counts.
	Query map[string]string

	// Last says that the rule is asked only once no other covers the request,
	// however specific it is: neither does it take a request from them, nor one
	// that they refuse for its method. Among themselves such rules have the usual
	// order.
	Last bool
}

// A RuleError is one fault of one rule.
type RuleError struct {
	Rule  int    // index of the rule as given to New
	Name  string // its name
	Field string // the attribute as it is written in a policy, such as path_regex
	Err   error
}

// Error names the rule and the attribute.
func (e *RuleError) Error() string { return fmt.Sprintf("route %q: %s: %v", e.Name, e.Field, e.Err) }

// Unwrap returns the fault itself.
func (e *RuleError) Unwrap() error { return e.Err }

// RuleErrors are all the faults of a set of rules, in their order.
type RuleErrors []*RuleError

// Error lists the faults, one a line.
func (e RuleErrors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults for errors.Is and errors.As.
func (e RuleErrors) Unwrap() []error {
	out := make([]error, len(e))
	for i := range e {
		out[i] = e[i]
	}
	return out
}

// The kinds of path, most specific first.
type kind uint8

const (
	exact kind = iota
	pattern
	regex
	prefix
)

func (k kind) field() string {
	return [...]string{"path", "path_pattern", "path_regex", "path_prefix"}[k]
}

// A matcher is a rule checked and put into normal form.
type matcher struct {
	index int
	name  string
	last  bool
	hosts []string // keys of compileHost, sorted, without repetition
	kind  kind
	path  string    // exact path; pattern with "{}" for variables; regex source; prefix without trailing slash
	parts []segment // of a pattern
	named methods   // as written; empty for any
	conditions
}

// A segment of a pattern: a literal, or any one segment.
type segment struct {
	literal  string
	variable bool
}

// compile checks one rule and returns all its faults.
func compile(index int, r *Rule, v *verbs) (*matcher, RuleErrors) {
	var faults RuleErrors
	fail := func(field string, errs ...error) {
		for _, err := range errs {
			faults = append(faults, &RuleError{Rule: index, Name: r.Name, Field: field, Err: err})
		}
	}
	m := &matcher{index: index, name: r.Name, last: r.Last}
	if r.Name == "" {
		fail("name", errors.New("is empty"))
	}
	for _, s := range r.Hosts {
		host, err := compileHost(s)
		if err != nil {
			fail("hosts", err)
			continue
		}
		m.hosts = append(m.hosts, host)
	}
	if len(r.Hosts) == 0 {
		m.hosts = []string{""}
	}
	slices.Sort(m.hosts)
	m.hosts = slices.Compact(m.hosts)

	m.kind = prefix
	given := 0
	for k, s := range [...]string{r.Path, r.PathPattern, r.PathRegex, r.PathPrefix} {
		if s == "" {
			continue
		}
		if given++; given > 1 {
			fail(kind(k).field(), fmt.Errorf("a route has one kind of path, and %s is given already", m.kind.field()))
			continue
		}
		m.kind = kind(k)
		if err := m.compilePath(s); err != nil {
			fail(m.kind.field(), err)
		}
	}
	var errs []error
	m.named, errs = v.named(r.Methods)
	fail("methods", errs...)
	m.headers, errs = compileHeaders(r.Headers)
	fail("headers", errs...)
	m.query, errs = compileQuery(r.Query)
	fail("query", errs...)
	return m, faults
}

func (m *matcher) compilePath(s string) error {
	if m.kind == regex {
		return m.compileRegex(s)
	}
	if s[0] != '/' {
		return fmt.Errorf("%q does not begin with %q", s, "/")
	}
	if m.kind == prefix {
		s = strings.TrimSuffix(s, "/")
		if s == "" {
			return nil
		}
	}
	texts := strings.Split(s[1:], "/")
	names := map[string]bool{}
	for i, text := range texts {
		if text == "" && (i+1 < len(texts) || m.kind == prefix) {
			return fmt.Errorf("%q has an empty segment", s)
		}
		if m.kind == pattern && strings.ContainsAny(text, "{}") {
			name, ok := variable(text)
			if !ok {
				return fmt.Errorf("segment %q of %q: a variable is a whole segment like {id}; use path_regex for less, %%7B and %%7D for braces", text, s)
			}
			if names[name] {
				return fmt.Errorf("%q has two variables {%s}", s, name)
			}
			names[name] = true
			m.parts = append(m.parts, segment{variable: true})
			m.path += "/{}"
			continue
		}
		literal, err := normalSegment(text)
		if err != nil {
			return fmt.Errorf("%q: %w", s, err)
		}
		m.parts = append(m.parts, segment{literal: literal})
		m.path += "/" + literal
	}
	return nil
}

func (m *matcher) compileRegex(s string) error {
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return err
	}
	// The tree's own text, since an open \Q would swallow the anchor.
	anchored, err := regexp.Compile(`\A(?:` + tree.String() + `)\z`)
	if err != nil {
		return err
	}
	free, err := regexp.Compile(s)
	if err != nil {
		return err
	}
	m.path, m.regex = s, anchored
	m.literal, _ = free.LiteralPrefix()
	return nil
}

// variable returns the name of a segment that is a variable.
func variable(s string) (string, bool) {
	if len(s) < 3 || s[0] != '{' || s[len(s)-1] != '}' {
		return "", false
	}
	name := s[1 : len(s)-1]
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', c == '_':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return "", false
		}
	}
	return name, true
}

// normalSegment is the normal form of a segment that a person wrote.
func normalSegment(s string) (string, error) {
	if strings.ContainsAny(s, "?#") {
		return "", errors.New("a path ends before '?' and '#'; conditions on the query have an attribute of their own")
	}
	text := []byte{'/'}
	for i := range len(s) {
		if c := s[i]; c == ' ' || c >= 0x80 {
			text = append(text, '%', upper[c>>4], upper[c&15])
		} else {
			text = append(text, c)
		}
	}
	out, err := Normalize(nil, text, PathOptions{MergeSlashes: true})
	if err != nil {
		return "", err
	}
	if len(out) == 1 && s != "" {
		return "", fmt.Errorf("dot segment %q: no request has one, they are removed before matching", s)
	}
	return string(out[1:]), nil
}
