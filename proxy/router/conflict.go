package router

import (
	"fmt"
	"slices"
	"strings"
)

// A ConflictError says that a rule is exactly like an earlier one.
type ConflictError struct {
	Other int    // index of the earlier rule
	Name  string // its name
	Host  string // a host that both have, as it would be written in a policy
}

// Error names the other rule.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("is exactly like that of route %q: host %s, methods, headers and query do not tell the two apart", e.Name, e.Host)
}

// conflicts returns every pair of rules exactly alike, as a fault of the later
// one: they share a host, have the same path and the same header and query
// conditions, and both take any method or both name a same one. For some
// requests then only the name would choose, which is never what was meant.
// Hosts and methods need not be the same throughout: one that is shared is
// enough. Any method against a named one is no conflict, for the named one
// comes first; nor is GET against HEAD, nor are two regexes or two conditions
// that differ but may hold at once.
func conflicts(all []*matcher) RuleErrors {
	type spot struct {
		host string
		kind kind
		path string
		more string
		last bool
	}
	var faults RuleErrors
	taken := map[spot][]*matcher{}
	for _, m := range all {
		var told []*matcher
		for _, host := range m.hosts {
			at := spot{host, m.kind, m.path, m.conditions.key(), m.last}
			for _, other := range taken[at] {
				if (other.named&m.named == 0 && other.named|m.named != 0) || slices.Contains(told, other) {
					continue
				}
				told = append(told, other)
				faults = append(faults, &RuleError{
					Rule: m.index, Name: m.name, Field: m.kind.field(),
					Err: &ConflictError{Other: other.index, Name: other.name, Host: hostText(host)},
				})
			}
			taken[at] = append(taken[at], m)
		}
	}
	return faults
}

// hostText is a key of compileHost as it would be written.
func hostText(key string) string {
	if key == "" || key[0] == '.' {
		return "*" + key
	}
	return key
}

// key is the same for the same header and query conditions only.
func (c *conditions) key() string {
	var b strings.Builder
	for _, p := range c.headers {
		fmt.Fprintf(&b, "h%q=%q", p.name, p.value)
	}
	for _, p := range c.query {
		fmt.Fprintf(&b, "q%q=%q", p.name, p.value)
	}
	return b.String()
}
