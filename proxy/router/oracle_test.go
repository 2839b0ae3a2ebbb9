package router_test

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// The oracle is a straight reading of the rules of matching: all rules that
// cover a request, sorted by precedence for that request, the first one wins.

// covers reports whether a rule holds but for its method.
func covers(r *router.Rule, q *router.Request) bool {
	return hostRank(r, q) < noHost && covered(r, string(q.Path)) && conditionsHold(r, q)
}

func plainHost(h []byte) string {
	s := strings.ToLower(string(h))
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		s = s[:i]
	}
	return strings.TrimSuffix(s, ".")
}

const noHost = 1 << 20

// hostRank is smaller the more specific the rule's best host is.
func hostRank(r *router.Rule, q *router.Request) int {
	host, best := plainHost(q.Host), noHost
	if len(r.Hosts) == 0 {
		best = 1000
	}
	for _, h := range r.Hosts {
		h = strings.TrimSuffix(strings.ToLower(h), ".")
		suffix, wildcard := strings.CutPrefix(h, "*")
		switch {
		case h == host:
			best = 0
		case h == "*":
			best = min(best, 1000)
		case wildcard && strings.HasSuffix(host, suffix) && len(host) > len(suffix):
			best = min(best, 999-len(suffix))
		}
	}
	return best
}

func covered(r *router.Rule, path string) bool {
	switch {
	case r.Path != "":
		return path == r.Path
	case r.PathPattern != "":
		want, got := strings.Split(r.PathPattern, "/"), strings.Split(path, "/")
		if len(want) != len(got) {
			return false
		}
		for i := range want {
			if strings.HasPrefix(want[i], "{") {
				if got[i] == "" {
					return false
				}
			} else if want[i] != got[i] {
				return false
			}
		}
		return true
	case r.PathRegex != "":
		return expressions[r.PathRegex].MatchString(path)
	}
	p := strings.TrimSuffix(r.PathPrefix, "/")
	return path == p || strings.HasPrefix(path, p+"/")
}

func conditionsHold(r *router.Rule, q *router.Request) bool {
	for name, want := range r.Headers {
		if got, ok := q.Headers.Lookup(strings.ToLower(name)); !ok || string(got) != want {
			return false
		}
	}
	query, _ := url.ParseQuery(string(q.Query))
	for name, want := range r.Query {
		if got, ok := query[name]; !ok || got[0] != want {
			return false
		}
	}
	return true
}

// methodRank is smaller the more the rule means just that method; none is 3.
func methodRank(r *router.Rule, method string) int {
	switch {
	case slices.Contains(r.Methods, method):
		return 0
	case method == "HEAD" && slices.Contains(r.Methods, "GET"):
		return 1
	case len(r.Methods) == 0:
		return 2
	}
	return 3
}

// pathRank has one number for the kind, then one for each segment of a pattern,
// or the length of a prefix.
func pathRank(r *router.Rule) []int {
	switch {
	case r.Path != "":
		return []int{0}
	case r.PathPattern != "":
		rank := []int{1}
		for s := range strings.SplitSeq(r.PathPattern, "/") {
			if strings.HasPrefix(s, "{") {
				rank = append(rank, 1)
			} else {
				rank = append(rank, 0)
			}
		}
		return rank
	case r.PathRegex != "":
		return []int{2}
	}
	return []int{3, -len(strings.TrimSuffix(r.PathPrefix, "/"))}
}

func naive(rules []router.Rule, q *router.Request) string {
	var hold []*router.Rule
	allow := map[string]bool{}
	for i := range rules {
		r := &rules[i]
		switch {
		case !covers(r, q):
		case methodRank(r, string(q.Method)) < 3:
			hold = append(hold, r)
		default:
			for _, m := range r.Methods {
				allow[m] = true
				if m == "GET" {
					allow["HEAD"] = true
				}
			}
		}
	}
	if len(hold) > 0 {
		return slices.MinFunc(hold, func(a, b *router.Rule) int {
			return cmp.Or(
				cmp.Compare(hostRank(a, q), hostRank(b, q)),
				slices.Compare(pathRank(a), pathRank(b)),
				cmp.Compare(methodRank(a, string(q.Method)), methodRank(b, string(q.Method))),
				cmp.Compare(len(b.Headers)+len(b.Query), len(a.Headers)+len(a.Query)),
				strings.Compare(a.Name, b.Name),
			)
		}).Name
	}
	if len(allow) > 0 {
		return "405 " + strings.Join(slices.Sorted(maps.Keys(allow)), ", ")
	}
	return "404"
}

// A die yields numbers from a random source or from a fuzzer's bytes.
type die func(n int) int

func oneOf(d die, list ...string) string { return list[d(len(list))] }

func someOf(d die, list ...string) (out []string) {
	for _, s := range list {
		if d(4) == 0 {
			out = append(out, s)
		}
	}
	return out
}

func somePairs(d die, names ...string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		if d(5) == 0 {
			out[name] = oneOf(d, "", "1", "a b")
		}
	}
	return out
}

func segments(d die, list ...string) string {
	var b strings.Builder
	for range 1 + d(4) {
		b.WriteByte('/')
		b.WriteString(oneOf(d, list...))
	}
	return b.String()
}

var hostPool = []string{"a.x", "b.x", "*.x", "*.a.x", "c.a.x", "x", "*", "[::1]", "A.Y", "*.y", "*.b.y"}

var regexPool = []string{
	"/a.*", "/[ab]/.*", "/a(/b)?", ".*/c", "/.*", "/a/[^/]+", "/(a|b|ab)(/.*)?", "/[a-c]+/?", "/x", "x", "/%2f", "/a/b|/a/c", "(?i)/A",
}

var expressions = func() map[string]*regexp.Regexp {
	out := map[string]*regexp.Regexp{}
	for _, s := range regexPool {
		out[s] = regexp.MustCompile("^(" + s + ")$")
	}
	return out
}()

func randomRules(d die) []router.Rule {
	rules := make([]router.Rule, 1+d(14))
	for i := range rules {
		r := &rules[i]
		r.Name = string(rune('a'+(i*7+3)%26)) + string(rune('a'+i))
		if d(3) > 0 {
			for range 1 + d(3) {
				r.Hosts = append(r.Hosts, oneOf(d, hostPool...))
			}
		}
		switch d(6) {
		case 0:
			r.Path = segments(d, "a", "b", "ab", "c")
			if d(4) == 0 {
				r.Path += "/"
			}
		case 1, 2:
			names := []string{"{p}", "{q}", "{r}", "{s}"}
			for k := range 1 + d(4) {
				r.PathPattern += "/" + oneOf(d, "a", "b", names[k], names[k])
			}
			if d(6) == 0 {
				r.PathPattern += "/"
			}
		case 3:
			r.PathRegex = oneOf(d, regexPool...)
		case 4:
			r.PathPrefix = segments(d, "a", "b", "ab", "c")
		case 5:
			r.PathPrefix = oneOf(d, "", "/", "/a", "/a/", "/a/b")
		}
		if d(2) == 0 {
			r.Methods = someOf(d, "GET", "HEAD", "POST", "PURGE")
		}
		if d(2) == 0 {
			r.Headers = somePairs(d, "X-A", "x-b")
			r.Query = somePairs(d, "q", "r s")
		}
	}
	return rules
}

func randomRequest(d die) *router.Request {
	f := fields{}
	maps.Copy(f, somePairs(d, "x-a", "x-b"))
	path := segments(d, "a", "b", "ab", "c", "a%2Fb")
	if d(5) == 0 {
		path += "/"
	}
	if d(12) == 0 {
		path = "/"
	}
	return &router.Request{
		Host:    []byte(oneOf(d, "a.x", "A.X:80", "b.x.", "c.a.x", "d.c.a.x", "x", "z", "", "[::1]:443", "a.y", "b.b.y", "q.w.y", ".x")),
		Path:    []byte(path),
		Method:  []byte(oneOf(d, "GET", "HEAD", "POST", "PURGE", "OPTIONS", "BREW")),
		Query:   []byte(oneOf(d, "", "q", "q=1", "r+s=a%20b&q=", "q=2&q=1", "r%20s=1&x=2", "q=a+b")),
		Headers: f,
	}
}

// agree builds a router, without the rules it finds alike, and compares it with
// the oracle for some requests.
func agree(t *testing.T, d die, requests int) (compared, shadows int) {
	t.Helper()
	rules := randomRules(d)
	r, err := router.New(rules)
	if err != nil {
		drop := map[string]bool{}
		var faults router.RuleErrors
		if !errors.As(err, &faults) {
			t.Fatal(err)
		}
		for _, fault := range faults {
			if _, ok := errors.AsType[*router.ConflictError](fault); !ok {
				t.Fatal(fault)
			}
			drop[fault.Name] = true
		}
		rules = slices.DeleteFunc(rules, func(r router.Rule) bool { return drop[r.Name] })
		r = mustNew(t, rules)
	}
	dark := map[string]int{}
	for _, s := range r.Unreachable() {
		dark[rules[s.Rule].Name] = s.By
	}
	for range requests {
		q := randomRequest(d)
		got := outcome(r, rules, q)
		if methods, ok := strings.CutPrefix(got, "405 "); ok {
			list := strings.Split(methods, ", ")
			slices.Sort(list)
			got = "405 " + strings.Join(list, ", ")
		}
		if want := naive(rules, q); got != want {
			t.Fatalf("%s %q%q ?%q %v: %s, want %s\nrules %+v", q.Method, q.Host, q.Path, q.Query, q.Headers, got, want, rules)
		}
		if by, ok := dark[got]; ok {
			t.Fatalf("%s %q%q: %s won, but is said to be unreachable by %d\nrules %+v", q.Method, q.Host, q.Path, got, by, rules)
		}
	}
	return requests, len(dark)
}

// TestAgainstOracle compares many random routers with the oracle.
func TestAgainstOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	compared, shadows := 0, 0
	for range 2000 {
		n, dark := agree(t, random.IntN, 150)
		compared += n
		shadows += dark
	}
	if compared < 300_000 || shadows < 100 {
		t.Errorf("only %d comparisons and %d unreachable rules: the test has lost its teeth", compared, shadows)
	}
}

// FuzzAgainstOracle does the same with routers drawn from the fuzzer's bytes.
func FuzzAgainstOracle(f *testing.F) {
	f.Add([]byte{})
	random := rand.New(rand.NewPCG(3, 4))
	for range 8 {
		seed := make([]byte, 400)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		agree(t, func(n int) int {
			if len(data) == 0 {
				return 0
			}
			c := int(data[0])
			data = data[1:]
			return c % n
		}, 8)
	})
}
