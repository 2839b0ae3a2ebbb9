package router_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// TestUnreachable has pairs of rules, and whether the second can never win.
func TestUnreachable(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b router.Rule
		dark bool
	}{
		{"prefixes", router.Rule{PathPrefix: "/"}, router.Rule{PathPrefix: "/a"}, false},
		{"longer prefix", router.Rule{PathPrefix: "/a"}, router.Rule{}, false},
		{"pattern without variables", router.Rule{Path: "/a/b"}, router.Rule{PathPattern: "/a/b"}, true},
		{"pattern with a variable", router.Rule{Path: "/a/b"}, router.Rule{PathPattern: "/a/{x}"}, false},
		{"more variables", router.Rule{PathPattern: "/{x}/{y}"}, router.Rule{PathPattern: "/a/{y}"}, false},
		{"regex for one path", router.Rule{Path: "/a"}, router.Rule{PathRegex: "/a"}, true},
		{"regex for two paths", router.Rule{Path: "/a"}, router.Rule{PathRegex: "/a|/b"}, false},
		{"pattern over regex", router.Rule{PathPattern: "/a/{x}"}, router.Rule{PathRegex: "/a/[0-9]+"}, true},
		{"regex with a slash in a class", router.Rule{PathPattern: "/a/{x}"}, router.Rule{PathRegex: "/a/[0-9/]+"}, false},
		{"regex for nothing", router.Rule{PathPattern: "/a/{x}"}, router.Rule{PathRegex: "/a/[0-9]*"}, false},
		{"regex over regex, by name", router.Rule{PathRegex: "/api/.*"}, router.Rule{PathRegex: "/api/v1/.*"}, true},
		{"the same backwards", router.Rule{PathRegex: "/api/v1/.*"}, router.Rule{PathRegex: "/api/.*"}, false},
		{"regex over regex but for a method", router.Rule{PathRegex: "/api/.*", Methods: []string{"GET"}}, router.Rule{PathRegex: "/api/v1/.*", Methods: []string{"GET", "PUT"}}, false},
		{"named HEAD over implied", router.Rule{PathRegex: "/api/.*", Methods: []string{"GET"}}, router.Rule{PathRegex: "/api/v1/.*", Methods: []string{"HEAD"}}, false},
		{"a method more", router.Rule{PathRegex: "/api/.*", Methods: []string{"GET", "PUT"}}, router.Rule{PathRegex: "/api/v1/.*", Methods: []string{"PUT"}}, true},
		{"named over any", router.Rule{PathRegex: "/api/.*"}, router.Rule{PathRegex: "/api/v1/.*", Methods: []string{"GET"}}, false},
		{"one condition more", router.Rule{PathRegex: "/api/.*"}, router.Rule{PathRegex: "/api/v1/.*", Query: map[string]string{"q": "1"}}, false},
		{"regex over prefix", router.Rule{PathRegex: "/a(/.*)?"}, router.Rule{PathPrefix: "/a/b"}, true},
		{"regex over the same prefix", router.Rule{PathRegex: "/a(/.*)?"}, router.Rule{PathPrefix: "/a"}, true},
		{"regex over most of a prefix", router.Rule{PathRegex: "/a/.*"}, router.Rule{PathPrefix: "/a"}, false},
		{"regex over some of a prefix", router.Rule{PathRegex: `/a.*\.json`}, router.Rule{PathPrefix: "/a"}, false},
		{"regex over everything", router.Rule{PathRegex: ".*"}, router.Rule{}, true},
		{"anchors", router.Rule{PathRegex: `^/.*$`}, router.Rule{PathPrefix: "/a"}, true},
		{"lines", router.Rule{PathRegex: `(?m)^/.*$`}, router.Rule{PathPrefix: "/a"}, true},
		{"word boundaries are not understood", router.Rule{PathRegex: `\b?/.*`}, router.Rule{PathPrefix: "/a"}, false},
		{"no case", router.Rule{PathRegex: `(?i)/A(/.*)?`}, router.Rule{PathPrefix: "/a"}, true},
		{"a condition of its own", router.Rule{PathRegex: ".*", Headers: map[string]string{"x": "1"}}, router.Rule{PathPrefix: "/a"}, false},
		{"a condition of both", router.Rule{PathRegex: ".*", Headers: map[string]string{"x": "1"}}, router.Rule{PathPrefix: "/a", Headers: map[string]string{"X": "1", "y": "1"}}, true},
		{"methods implied", router.Rule{PathRegex: ".*", Methods: []string{"GET"}}, router.Rule{Methods: []string{"HEAD"}}, true},
		{"methods beyond", router.Rule{PathRegex: ".*", Methods: []string{"GET"}}, router.Rule{}, false},
		{"hosts covered", router.Rule{PathRegex: ".*", Hosts: []string{"a", "b"}}, router.Rule{Hosts: []string{"b"}}, true},
		{"hosts not all covered", router.Rule{PathRegex: ".*", Hosts: []string{"a"}}, router.Rule{Hosts: []string{"a", "b"}}, false},
		{"a more specific host", router.Rule{PathRegex: ".*", Hosts: []string{"*.x"}}, router.Rule{Hosts: []string{"a.x"}}, false},
		{"a less specific host", router.Rule{PathRegex: ".*", Hosts: []string{"a.x"}}, router.Rule{Hosts: []string{"*.x"}}, false},
	} {
		c.a.Name, c.b.Name = "a", "b"
		r := mustNew(t, []router.Rule{c.a, c.b})
		var want []router.Shadow
		if c.dark {
			want = []router.Shadow{{Rule: 1, By: 0}}
		}
		if got := r.Unreachable(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}

// TestUnreachableWithoutOther: a regex that fits no path in normal form.
func TestUnreachableWithoutOther(t *testing.T) {
	for re, dark := range map[string]bool{
		"/a":            false,
		"a":             true, // no slash
		"/a b":          true, // a space is %20
		"/a%20b":        false,
		"/caf%c3%a9":    true, // upper case
		"/caf%C3%A9":    false,
		"/caf\u00e9":    true,
		"/%41":          true, // A
		"/a$b":          true,
		`/a\$b`:         false,
		`/[^\x00-\xff]`: true,
		"/a|b":          false,
		`\b/a`:          false, // not known
	} {
		r := mustNew(t, []router.Rule{{Name: "x", PathRegex: re}})
		var want []router.Shadow
		if dark {
			want = []router.Shadow{{Rule: 0, By: router.NoRoute}}
		}
		if got := r.Unreachable(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", re, got, want)
		}
	}
}

// TestNormalPathsAreThoseOfNormalize: the escapes that regexes are told apart
// by are the ones that Normalize leaves.
func TestNormalPathsAreThoseOfNormalize(t *testing.T) {
	for c := range 256 {
		for _, text := range []string{fmt.Sprintf("%%%02X", c), string(rune(c))} {
			if c >= 0x80 && text[0] != '%' || text == "." || text == "/" || text == "\x00" {
				continue
			}
			out, err := router.Normalize(nil, []byte("/x"+text), merge)
			normal := err == nil && string(out) == "/x"+text
			r := mustNew(t, []router.Rule{{Name: "x", PathRegex: fmt.Sprintf(`/x\Q%s\E`, text)}})
			if fits := len(r.Unreachable()) == 0; fits != normal {
				t.Errorf("%q: normal is %v, but a regex for it fits: %v", text, normal, fits)
			}
		}
	}
}

// TestUnreachableIsBounded: an expression whose automaton explodes costs little
// and is taken for reachable.
func TestUnreachableIsBounded(t *testing.T) {
	r := mustNew(t, []router.Rule{
		{Name: "a", PathRegex: "/(.*a.{900}|.*b.{90})?.*"},
		{Name: "b", PathRegex: "/(.*a.{800}|.*c.{80})c"},
		{Name: "c", PathPrefix: "/a"},
	})
	for _, s := range r.Unreachable() {
		if s.Rule < 2 {
			t.Errorf("%v", s)
		}
	}
}
