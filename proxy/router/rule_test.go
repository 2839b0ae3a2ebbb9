package router_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// TestRuleErrors has a row for everything that is refused: the attribute, and
// a part of what is said about it.
func TestRuleErrors(t *testing.T) {
	for _, c := range []struct {
		rule  router.Rule
		field string
		want  string
	}{
		{router.Rule{}, "name", "is empty"},

		{router.Rule{Name: "r", Hosts: []string{""}}, "hosts", "is empty"},
		{router.Rule{Name: "r", Hosts: []string{"*x.com"}}, "hosts", "whole labels at the start"},
		{router.Rule{Name: "r", Hosts: []string{"a.*.com"}}, "hosts", "whole labels at the start"},
		{router.Rule{Name: "r", Hosts: []string{"*."}}, "hosts", "empty label"},
		{router.Rule{Name: "r", Hosts: []string{"a..b"}}, "hosts", "empty label"},
		{router.Rule{Name: "r", Hosts: []string{".a"}}, "hosts", "empty label"},
		{router.Rule{Name: "r", Hosts: []string{"a.com:80"}}, "hosts", "port"},
		{router.Rule{Name: "r", Hosts: []string{"[::1]:80"}}, "hosts", "port"},
		{router.Rule{Name: "r", Hosts: []string{"[fe80::1%eth0]"}}, "hosts", "no address"},
		{router.Rule{Name: "r", Hosts: []string{"b\u00fccher.de"}}, "hosts", "punycode"},
		{router.Rule{Name: "r", Hosts: []string{"a b"}}, "hosts", `holds ' '`},
		{router.Rule{Name: "r", Hosts: []string{"http/"}}, "hosts", `holds '/'`},
		{router.Rule{Name: "r", Hosts: []string{strings.Repeat("a.", 130)}}, "hosts", "longer than 253"},

		{router.Rule{Name: "r", Path: "a"}, "path", "does not begin"},
		{router.Rule{Name: "r", Path: "*"}, "path", "does not begin"},
		{router.Rule{Name: "r", Path: "/a/../b"}, "path", "dot segment"},
		{router.Rule{Name: "r", Path: "/a/%2e"}, "path", "dot segment"},
		{router.Rule{Name: "r", Path: "/a//b"}, "path", "empty segment"},
		{router.Rule{Name: "r", Path: "//"}, "path", "empty segment"},
		{router.Rule{Name: "r", Path: "/a%"}, "path", "malformed escape"},
		{router.Rule{Name: "r", Path: "/a%00"}, "path", "NUL"},
		{router.Rule{Name: "r", Path: "/a\\b"}, "path", "backslash"},
		{router.Rule{Name: "r", Path: "/a/..;x"}, "path", "hides"},
		{router.Rule{Name: "r", Path: "/a\n"}, "path", "must be escaped"},
		{router.Rule{Name: "r", Path: "/a?b=c"}, "path", "conditions on the query"},
		{router.Rule{Name: "r", PathPrefix: "/a//"}, "path_prefix", "empty segment"},
		{router.Rule{Name: "r", PathPrefix: "a/"}, "path_prefix", "does not begin"},
		{router.Rule{Name: "r", PathPrefix: "/./"}, "path_prefix", "dot segment"},
		{router.Rule{Name: "r", PathPattern: "/v{n}"}, "path_pattern", "whole segment"},
		{router.Rule{Name: "r", PathPattern: "/{n}.json"}, "path_pattern", "whole segment"},
		{router.Rule{Name: "r", PathPattern: "/{}"}, "path_pattern", "whole segment"},
		{router.Rule{Name: "r", PathPattern: "/{a-b}"}, "path_pattern", "whole segment"},
		{router.Rule{Name: "r", PathPattern: "/{1}"}, "path_pattern", "whole segment"},
		{router.Rule{Name: "r", PathPattern: "/{id...}"}, "path_pattern", "whole segment"},
		{router.Rule{Name: "r", PathPattern: "/{a/b}"}, "path_pattern", "whole segment"},
		{router.Rule{Name: "r", PathPattern: "/{a}/{a}"}, "path_pattern", "two variables {a}"},
		{router.Rule{Name: "r", PathRegex: "/a("}, "path_regex", "missing closing )"},
		{router.Rule{Name: "r", PathRegex: "/a)|(b"}, "path_regex", "unexpected )"},
		{router.Rule{Name: "r", PathRegex: `/(a)\1`}, "path_regex", "invalid escape"},
		{router.Rule{Name: "r", Path: "/a", PathPrefix: "/a"}, "path_prefix", "path is given already"},
		{router.Rule{Name: "r", PathPattern: "/a", PathRegex: "/a"}, "path_regex", "path_pattern is given already"},

		{router.Rule{Name: "r", Methods: []string{"get"}}, "methods", `write "GET"`},
		{router.Rule{Name: "r", Methods: []string{""}}, "methods", "not a method"},
		{router.Rule{Name: "r", Methods: []string{"GET,POST"}}, "methods", "not a method"},

		{router.Rule{Name: "r", Headers: map[string]string{"": "1"}}, "headers", "not a field name"},
		{router.Rule{Name: "r", Headers: map[string]string{"a b": "1"}}, "headers", "not a field name"},
		{router.Rule{Name: "r", Headers: map[string]string{"x-a": "1", "X-A": "1"}}, "headers", "given twice"},
		{router.Rule{Name: "r", Headers: map[string]string{"x-a": " 1"}}, "headers", "no field can have"},
		{router.Rule{Name: "r", Headers: map[string]string{"x-a": "a\nb"}}, "headers", "no field can have"},
		{router.Rule{Name: "r", Headers: map[string]string{"Host": "a"}}, "headers", "matched by hosts"},
		{router.Rule{Name: "r", Query: map[string]string{"": "1"}}, "query", "no name"},
	} {
		r, err := router.New([]router.Rule{c.rule})
		var faults router.RuleErrors
		if r != nil || !errors.As(err, &faults) || len(faults) != 1 {
			t.Errorf("%+v: %v, %v; want one fault of %s", c.rule, r, err, c.field)
			continue
		}
		f := faults[0]
		if f.Rule != 0 || f.Name != c.rule.Name || f.Field != c.field || !strings.Contains(f.Err.Error(), c.want) {
			t.Errorf("%+v: %v; want %s: ...%s...", c.rule, f, c.field, c.want)
		}
	}
}

// TestRuleErrorsAllAtOnce: one call tells every fault of every rule.
func TestRuleErrorsAllAtOnce(t *testing.T) {
	_, err := router.New([]router.Rule{
		{Name: "a", Hosts: []string{"", "ok", "x:1"}, Path: "b", Methods: []string{"get", "put"}, Query: map[string]string{"": ""}},
		{Name: "b"},
		{Name: "a", PathRegex: "("},
	})
	var faults router.RuleErrors
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.Name+" "+f.Field)
	}
	want := []string{"a hosts", "a hosts", "a path", "a methods", "a methods", "a query", "a path_regex", "a name"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if n := strings.Count(err.Error(), "\n"); n != len(want)-1 {
		t.Errorf("%d lines: %v", n+1, err)
	}
	if !errors.Is(router.RuleErrors{{Err: router.BadEscape}}, router.BadEscape) {
		t.Error("the cause cannot be reached by errors.Is")
	}
}

// TestTooManyMethods: all rules together may name 63 methods.
func TestTooManyMethods(t *testing.T) {
	rule := router.Rule{Name: "r"}
	for i := range 54 {
		rule.Methods = append(rule.Methods, "M"+strings.Repeat("X", i))
	}
	rules := []router.Rule{rule}
	r := mustNew(t, rules)
	last := rule.Methods[53]
	if got := outcome(r, rules, request(last+" h/")); got != "r" {
		t.Errorf("the 63rd method: %s", got)
	}
	if got := outcome(r, rules, request(last+"X h/")); !strings.HasSuffix(got, ", "+last) {
		t.Errorf("an unnamed method: %s", got)
	}
	rules[0].Methods = append(rules[0].Methods, "ONEMORE")
	if _, err := router.New(rules); err == nil || !strings.Contains(err.Error(), "one too many") {
		t.Errorf("64 methods: %v", err)
	}
}

// TestConflicts has pairs of rules, and whether they are exactly alike.
func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		name  string
		a, b  router.Rule
		alike bool
	}{
		{"nothing stated", router.Rule{}, router.Rule{}, true},
		{"no path is the prefix /", router.Rule{}, router.Rule{PathPrefix: "/"}, true},
		{"no host is *", router.Rule{}, router.Rule{Hosts: []string{"*"}}, true},
		{"one host shared", router.Rule{Hosts: []string{"a", "b"}}, router.Rule{Hosts: []string{"c", "B."}}, true},
		{"no host shared", router.Rule{Hosts: []string{"a"}}, router.Rule{Hosts: []string{"b"}}, false},
		{"a host under a wildcard", router.Rule{Hosts: []string{"a.x"}}, router.Rule{Hosts: []string{"*.x"}}, false},
		{"IPv6 spellings", router.Rule{Hosts: []string{"::1"}}, router.Rule{Hosts: []string{"[0:0::1]"}}, true},
		{"same path", router.Rule{Path: "/a"}, router.Rule{Path: "/%61"}, true},
		{"slash", router.Rule{Path: "/a"}, router.Rule{Path: "/a/"}, false},
		{"prefix slash", router.Rule{PathPrefix: "/a"}, router.Rule{PathPrefix: "/a/"}, true},
		{"kinds differ", router.Rule{Path: "/a"}, router.Rule{PathPrefix: "/a"}, false},
		{"names of variables", router.Rule{PathPattern: "/a/{x}"}, router.Rule{PathPattern: "/a/{y}"}, true},
		{"variable and literal", router.Rule{PathPattern: "/a/{x}"}, router.Rule{PathPattern: "/a/x"}, false},
		{"same regex", router.Rule{PathRegex: "/a.*"}, router.Rule{PathRegex: "/a.*"}, true},
		{"overlapping regexes", router.Rule{PathRegex: "/a.*"}, router.Rule{PathRegex: "/.*a"}, false},
		{"one method shared", router.Rule{Methods: []string{"GET", "PUT"}}, router.Rule{Methods: []string{"PUT", "POST"}}, true},
		{"no method shared", router.Rule{Methods: []string{"PUT"}}, router.Rule{Methods: []string{"POST"}}, false},
		{"GET and HEAD", router.Rule{Methods: []string{"GET"}}, router.Rule{Methods: []string{"HEAD"}}, false},
		{"any method and one", router.Rule{}, router.Rule{Methods: []string{"GET"}}, false},
		{"same header", router.Rule{Headers: map[string]string{"X-A": "1"}}, router.Rule{Headers: map[string]string{"x-a": "1"}}, true},
		{"header values", router.Rule{Headers: map[string]string{"X": "1"}}, router.Rule{Headers: map[string]string{"X": "2"}}, false},
		{"headers that may hold at once", router.Rule{Headers: map[string]string{"X": "1"}}, router.Rule{Headers: map[string]string{"Y": "1"}}, false},
		{"one more header", router.Rule{Headers: map[string]string{"X": "1"}}, router.Rule{}, false},
		{"header and query", router.Rule{Headers: map[string]string{"x": "1"}}, router.Rule{Query: map[string]string{"x": "1"}}, false},
		{"same query", router.Rule{Query: map[string]string{"x": "1"}}, router.Rule{Query: map[string]string{"x": "1"}}, true},
	} {
		c.a.Name, c.b.Name = "first", "second"
		_, err := router.New([]router.Rule{c.a, {Name: "other", Path: "/other"}, c.b})
		var conflict *router.ConflictError
		var rule *router.RuleError
		switch {
		case !c.alike:
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		case !errors.As(err, &conflict) || !errors.As(err, &rule) || rule.Rule != 2 || conflict.Other != 0:
			t.Errorf("%s: %v", c.name, err)
		case !strings.Contains(err.Error(), `"first"`) || !strings.Contains(err.Error(), `"second"`):
			t.Errorf("%s: %q does not name both", c.name, err)
		}
	}
}

// TestConflictsToldOnce: a pair that shares several hosts is one fault, and all
// pairs are told.
func TestConflictsToldOnce(t *testing.T) {
	hosts := []string{"a", "*.b"}
	_, err := router.New([]router.Rule{
		{Name: "x", Hosts: hosts},
		{Name: "y", Hosts: hosts},
		{Name: "z", Hosts: hosts[1:]},
	})
	var faults router.RuleErrors
	if !errors.As(err, &faults) || len(faults) != 3 {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(faults[2].Error(), "host *.b,") {
		t.Errorf("%v does not name the host as it was written", faults[2])
	}
}
