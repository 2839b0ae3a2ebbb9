package router_test

import (
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// fields are request headers, by lower-case name.
type fields map[string]string

func (f fields) Lookup(name string) ([]byte, bool) {
	v, ok := f[name]
	return []byte(v), ok
}

// request reads "METHOD host/path?query" and header pairs.
func request(line string, headers ...string) *router.Request {
	method, target, _ := strings.Cut(line, " ")
	target, query, _ := strings.Cut(target, "?")
	host, path := target, "/"
	if i := strings.IndexByte(target, '/'); i >= 0 {
		host, path = target[:i], target[i:]
	}
	f := fields{}
	for i := 0; i < len(headers); i += 2 {
		f[headers[i]] = headers[i+1]
	}
	return &router.Request{Host: []byte(host), Path: []byte(path), Method: []byte(method), Query: []byte(query), Headers: f}
}

// outcome is the name of the rule that won, "404", or "405 " and Allow.
func outcome(r *router.Router, rules []router.Rule, q *router.Request) string {
	m := r.Match(q)
	allow := string(r.AppendAllow(nil, m))
	switch m.Rule {
	case router.NoRoute:
		return "404" + allow
	case router.MethodNotAllowed:
		return "405 " + allow
	}
	return rules[m.Rule].Name + allow
}

func mustNew(t testing.TB, rules []router.Rule) *router.Router {
	t.Helper()
	r, err := router.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMatch has a case for every sentence about matching.
func TestMatch(t *testing.T) {
	type row struct {
		q       string
		headers []string
		want    string
	}
	for _, c := range []struct {
		name  string
		rules []router.Rule
		rows  []row
	}{
		{
			"no rules",
			nil,
			[]row{{q: "GET a/", want: "404"}},
		},
		{
			"exact host, longest wildcard, any",
			[]router.Rule{
				{Name: "any"},
				{Name: "wide", Hosts: []string{"*.example.com"}},
				{Name: "narrow", Hosts: []string{"*.eu.example.com"}},
				{Name: "exact", Hosts: []string{"shop.eu.example.com"}},
			},
			[]row{
				{q: "GET shop.eu.example.com/", want: "exact"},
				{q: "GET x.eu.example.com/", want: "narrow"},
				{q: "GET x.shop.eu.example.com/", want: "narrow"},
				{q: "GET eu.example.com/", want: "wide"},
				{q: "GET a.b.c.example.com/", want: "wide"},
				{q: "GET example.com/", want: "any"},
				{q: "GET .example.com/", want: "any"},
				{q: "GET badexample.com/", want: "any"},
				{q: "GET /", want: "any"},
				{q: "GET " + strings.Repeat("a.", 200) + "example.com/", want: "wide"},
				{q: "GET " + strings.Repeat("a", 300) + ".example.com/", want: "wide"},
			},
		},
		{
			"host: case, port and trailing dot do not matter",
			[]router.Rule{
				{Name: "name", Hosts: []string{"API.Example.com."}},
				{Name: "v4", Hosts: []string{"192.0.2.1"}},
				{Name: "v6", Hosts: []string{"[2001:DB8:0::1]"}},
				{Name: "v6 bare", Hosts: []string{"::1"}},
				{Name: "wild", Hosts: []string{"*.Example.org"}},
			},
			[]row{
				{q: "GET api.example.com/", want: "name"},
				{q: "GET aPi.eXample.COM/", want: "name"},
				{q: "GET api.example.com:8080/", want: "name"},
				{q: "GET api.example.com:/", want: "name"},
				{q: "GET api.example.com./", want: "name"},
				{q: "GET api.example.com.:443/", want: "name"},
				{q: "GET api.example.com../", want: "404"},
				{q: "GET api.example.com:80:80/", want: "404"},
				{q: "GET api.example.com:http/", want: "404"},
				{q: "GET 192.0.2.1:80/", want: "v4"},
				{q: "GET [2001:db8::1]/", want: "v6"},
				{q: "GET [2001:DB8::1]:8443/", want: "v6"},
				{q: "GET [::1]:80/", want: "v6 bare"},
				{q: "GET [::1/", want: "404"},
				{q: "GET X.Example.Org.:1/", want: "wild"},
				{q: "GET example.org/", want: "404"},
			},
		},
		{
			"exact path, pattern, regex, longest prefix",
			[]router.Rule{
				{Name: "exact", Path: "/a/b/c"},
				{Name: "pattern", PathPattern: "/a/{x}/c"},
				{Name: "regex", PathRegex: "/a/[a-y]/."},
				{Name: "long", PathPrefix: "/a/z"},
				{Name: "short", PathPrefix: "/a"},
				{Name: "all", PathPrefix: "/"},
			},
			[]row{
				{q: "GET h/a/b/c", want: "exact"},
				{q: "GET h/a/x/c", want: "pattern"},
				{q: "GET h/a/z/c", want: "pattern"},
				{q: "GET h/a/x/d", want: "regex"},
				{q: "GET h/a/z/d", want: "long"},
				{q: "GET h/a/z", want: "long"},
				{q: "GET h/a/zz", want: "short"},
				{q: "GET h/a", want: "short"},
				{q: "GET h/a/", want: "short"},
				{q: "GET h/ab", want: "all"},
				{q: "GET h/", want: "all"},
			},
		},
		{
			"patterns: segment by segment, literal before variable",
			[]router.Rule{
				{Name: "vv", PathPattern: "/{a}/{b}"},
				{Name: "vl", PathPattern: "/{a}/x"},
				{Name: "lv", PathPattern: "/o/{b}"},
				{Name: "lvl", PathPattern: "/o/{b}/x"},
				{Name: "ll", PathPattern: "/o/y"},
				{Name: "slash", PathPattern: "/o/{b}/"},
			},
			[]row{
				{q: "GET h/o/y", want: "ll"},
				{q: "GET h/o/x", want: "lv"},
				{q: "GET h/p/x", want: "vl"},
				{q: "GET h/p/y", want: "vv"},
				{q: "GET h/o/5/x", want: "lvl"},
				{q: "GET h/o/5/", want: "slash"},
				{q: "GET h/p/5/", want: "404"},
				{q: "GET h/o/", want: "404"},
				{q: "GET h/o", want: "404"},
				{q: "GET h/o//x", want: "404"},
				{q: "GET h/o/a%2Fb", want: "lv"},
			},
		},
		{
			"patterns go back on a miss further right",
			[]router.Rule{
				{Name: "deep", PathPattern: "/a/b/{x}/d"},
				{Name: "back", PathPattern: "/a/{x}/c/e"},
			},
			[]row{
				{q: "GET h/a/b/c/d", want: "deep"},
				{q: "GET h/a/b/c/e", want: "back"},
				{q: "GET h/a/b/c/f", want: "404"},
			},
		},
		{
			"paths are case-sensitive, /a is not /a/, /a covers /a and /a/...",
			[]router.Rule{
				{Name: "exact", Path: "/a"},
				{Name: "prefix", PathPrefix: "/p"},
				{Name: "slashed", PathPrefix: "/q/"},
			},
			[]row{
				{q: "GET h/a", want: "exact"},
				{q: "GET h/A", want: "404"},
				{q: "GET h/a/", want: "404"},
				{q: "GET h/p", want: "prefix"},
				{q: "GET h/p/", want: "prefix"},
				{q: "GET h/p/x/y", want: "prefix"},
				{q: "GET h/P", want: "404"},
				{q: "GET h/px", want: "404"},
				{q: "GET h/p%2Fx", want: "404"},
				{q: "GET h/p;x", want: "404"},
				{q: "GET h/q", want: "slashed"},
				{q: "GET h/q/x", want: "slashed"},
			},
		},
		{
			"regexes are RE2 and anchored at both ends",
			[]router.Rule{
				{Name: "alt", PathRegex: "/a|/b"},
				{Name: "open quote", PathRegex: `/q\Q.`},
				{Name: "flag", PathRegex: "(?i)/flag"},
				{Name: "line", PathRegex: "(?m)^/line$"},
			},
			[]row{
				{q: "GET h/a", want: "alt"},
				{q: "GET h/b", want: "alt"},
				{q: "GET h/ab", want: "404"},
				{q: "GET h/x/a", want: "404"},
				{q: "GET h/b/", want: "404"},
				{q: "GET h/q.", want: "open quote"},
				{q: "GET h/qx", want: "404"},
				{q: "GET h/FLAG", want: "flag"},
				{q: "GET h/line", want: "line"},
			},
		},
		{
			"then method, then number of header and query matches, then name",
			[]router.Rule{
				{Name: "a any", PathPrefix: "/"},
				{Name: "b any two", PathPrefix: "/", Headers: map[string]string{"X": "1"}, Query: map[string]string{"q": "1"}},
				{Name: "c get", PathPrefix: "/", Methods: []string{"GET"}},
				{Name: "f get x", PathPrefix: "/", Methods: []string{"GET"}, Headers: map[string]string{"X": "1"}},
				{Name: "e get q", PathPrefix: "/", Methods: []string{"GET"}, Query: map[string]string{"q": "1"}},
			},
			[]row{
				{q: "POST h/", want: "a any"},
				{q: "POST h/?q=1", want: "a any"},
				{q: "POST h/?q=1", headers: []string{"x", "1"}, want: "b any two"},
				{q: "GET h/", want: "c get"},
				{q: "GET h/", headers: []string{"x", "1"}, want: "f get x"},
				{q: "GET h/?q=1", want: "e get q"},
				{q: "GET h/?q=1", headers: []string{"x", "1"}, want: "e get q"},
			},
		},
		{
			"the first route whose every condition holds",
			[]router.Rule{
				{Name: "exact host get", Hosts: []string{"h"}, Path: "/a", Methods: []string{"PUT"}},
				{Name: "exact host x", Hosts: []string{"h"}, PathPrefix: "/a", Headers: map[string]string{"X": "1"}},
				{Name: "pattern", PathPattern: "/{x}", Methods: []string{"POST"}},
				{Name: "short", PathPrefix: "/", Query: map[string]string{"q": ""}},
				{Name: "long", PathPrefix: "/a", Query: map[string]string{"q": "2"}},
			},
			[]row{
				{q: "PUT h/a", want: "exact host get"},
				{q: "GET h/a", headers: []string{"x", "1"}, want: "exact host x"},
				{q: "POST h/a", want: "pattern"},
				{q: "GET h/a?q", want: "short"},
				{q: "GET h/a?q=2", want: "long"},
				{q: "GET h/a", want: "405 POST, PUT"},
				{q: "GET h/b", want: "405 POST"},
				{q: "GET h/a/b", want: "404"},
			},
		},
		{
			"405 only if one failed by method alone",
			[]router.Rule{
				{Name: "get", Path: "/a", Methods: []string{"GET"}},
				{Name: "header", Path: "/a", Methods: []string{"DELETE"}, Headers: map[string]string{"X": "1"}},
				{Name: "wide", Hosts: []string{"*.h"}, PathPrefix: "/", Methods: []string{"PATCH", "PURGE"}},
				{Name: "re", PathRegex: "/a.*", Methods: []string{"PUT"}, Query: map[string]string{"q": "1"}},
			},
			[]row{
				{q: "POST h/a", want: "405 GET, HEAD"},
				{q: "OPTIONS h/a", want: "405 GET, HEAD"},
				{q: "POST h/a", headers: []string{"x", "1"}, want: "405 GET, HEAD, DELETE"},
				{q: "POST x.h/a?q=1", want: "405 GET, HEAD, PUT, PATCH, PURGE"},
				{q: "PURGE x.h/a", want: "wide"},
				{q: "purge x.h/a", want: "405 GET, HEAD, PATCH, PURGE"},
				{q: "FOO x.h/zzz", want: "405 PATCH, PURGE"},
				{q: "POST h/b", want: "404"},
				{q: "POST h/ab", want: "404"},
			},
		},
		{
			"GET matches HEAD, named HEAD comes first",
			[]router.Rule{
				{Name: "a get", Path: "/a", Methods: []string{"GET"}},
				{Name: "b head", Path: "/a", Methods: []string{"HEAD"}},
				{Name: "c any", Path: "/a"},
				{Name: "d get", Path: "/b", Methods: []string{"GET"}},
				{Name: "e head", Path: "/c", Methods: []string{"HEAD"}},
			},
			[]row{
				{q: "GET h/a", want: "a get"},
				{q: "HEAD h/a", want: "b head"},
				{q: "POST h/a", want: "c any"},
				{q: "HEAD h/b", want: "d get"},
				{q: "HEAD h/c", want: "e head"},
				{q: "GET h/c", want: "405 HEAD"},
			},
		},
		{
			"headers: any case of the name, the whole value, lines joined",
			[]router.Rule{{Name: "x", Headers: map[string]string{"X-Beta": "1", "x-other": "a, b"}}},
			[]row{
				{q: "GET h/", headers: []string{"x-beta", "1", "x-other", "a, b"}, want: "x"},
				{q: "GET h/", headers: []string{"x-beta", "1, 2", "x-other", "a, b"}, want: "404"},
				{q: "GET h/", headers: []string{"x-beta", "1"}, want: "404"},
				{q: "GET h/", want: "404"},
			},
		},
		{
			"query: the first of a name, decoded",
			[]router.Rule{{Name: "q", Query: map[string]string{"a b": "c&d", "e": ""}}},
			[]row{
				{q: "GET h/?a+b=c%26d&e", want: "q"},
				{q: "GET h/?e=&%61%20b=c%26d", want: "q"},
				{q: "GET h/?x&&e&a%20b=c%26d&a%20b=z", want: "q"},
				{q: "GET h/?e&a+b=z&a+b=c%26d", want: "404"},
				{q: "GET h/?e&a+b=c%26", want: "404"},
				{q: "GET h/?e&a+b=c%26dd", want: "404"},
				{q: "GET h/?e&a+b=c%2", want: "404"},
				{q: "GET h/?e=1&a+b=c%26d", want: "404"},
				{q: "GET h/?E&a+b=c%26d", want: "404"},
				{q: "GET h/?e;a+b=c%26d", want: "404"},
				{q: "GET h/", want: "404"},
			},
		},
		{
			"paths in rules are normalised like those of requests",
			[]router.Rule{
				{Name: "exact", Path: "/%63af\u00e9 |"},
				{Name: "pattern", PathPattern: "/%7e/{x}/%7b"},
				{Name: "prefix", PathPrefix: "/a%2fb"},
			},
			[]row{
				{q: "GET h/caf%C3%A9%20%7C", want: "exact"},
				{q: "GET h/~/1/%7B", want: "pattern"},
				{q: "GET h/a%2Fb/c", want: "prefix"},
				{q: "GET h/a/b", want: "404"},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mustNew(t, c.rules)
			for _, row := range c.rows {
				if got := outcome(r, c.rules, request(row.q, row.headers...)); got != row.want {
					t.Errorf("%s %q: %s, want %s", row.q, row.headers, got, row.want)
				}
			}
		})
	}
}

// TestMatchNothing: the asterisk-form and no path at all are nobody's.
func TestMatchNothing(t *testing.T) {
	r := mustNew(t, []router.Rule{{Name: "all"}})
	for _, path := range []string{"*", "", "a"} {
		q := router.Request{Path: []byte(path), Method: []byte("OPTIONS")}
		if m := r.Match(&q); m.Rule != router.NoRoute {
			t.Errorf("path %q: rule %d", path, m.Rule)
		}
	}
}
