package router_test

import (
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// TestMatchAllocatesNothing covers every way through the trees. The race
// detector makes regexes allocate, so that it looks at results only.
func TestMatchAllocatesNothing(t *testing.T) {
	rules := []router.Rule{
		{Name: "host", Hosts: []string{"api.example.com"}, Path: "/exact", Methods: []string{"GET", "PURGE"}},
		{Name: "wildcard", Hosts: []string{"*.example.com"}, PathPattern: "/a/{x}/b"},
		{Name: "back", Hosts: []string{"*.example.com"}, PathPattern: "/{x}/y/c"},
		{Name: "one pass", PathRegex: "/re/[0-9]+"},
		{Name: "backtrack", PathRegex: "/re/.*(ab|abc)+.*z"},
		{Name: "prefix", PathPrefix: "/p"},
		{Name: "conditions", PathPrefix: "/p", Headers: map[string]string{"X-A": "1"}, Query: map[string]string{"q r": "1"}},
	}
	r := mustNew(t, rules)
	headers := fixed("1")
	buf := make([]byte, 0, 64)
	for _, c := range []struct{ host, path, method, query, want string }{
		{"API.example.com.:8080", "/exact", "GET", "", "host"},
		{"api.example.com", "/exact", "PURGE", "", "host"},
		{"api.example.com", "/exact", "BREW", "", "405 GET, HEAD, PURGE"},
		{"x.y.example.com", "/a/1/b", "GET", "", "wildcard"},
		{"x.y.example.com", "/a/y/c", "GET", "", "back"},
		{"[::1]:80", "/re/123", "GET", "", "one pass"},
		{"h", "/re/qqabcabz", "GET", "", "backtrack"},
		{"h", "/p/q", "HEAD", "x=1", "prefix"},
		{"h", "/p/q", "HEAD", "x=1&q+r=%31", "conditions"},
		{"h", "/none", "GET", "", "404"},
	} {
		q := &router.Request{Host: []byte(c.host), Path: []byte(c.path), Method: []byte(c.method), Query: []byte(c.query), Headers: headers}
		if got := outcome(r, rules, q); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
		if n := testing.AllocsPerRun(200, func() { r.AppendAllow(buf, r.Match(q)) }); n != 0 && !raceDetector {
			t.Errorf("%+v: %v allocations", c, n)
		}
		if n := testing.AllocsPerRun(200, func() { r.KnownHost(q.Host); router.AppendHost(buf, q.Host) }); n != 0 {
			t.Errorf("%s: KnownHost and AppendHost: %v allocations", c.host, n)
		}
	}
}

// fixed is the value of every field.
type fixed []byte

func (f fixed) Lookup(string) ([]byte, bool) { return f, true }
