package router_test

import (
	"fmt"
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// spread returns n rules of one shape, or of three under n/10 hosts, and a
// request for each of up to 1024 of them.
func spread(shape string, n int) ([]router.Rule, []*router.Request) {
	rules := make([]router.Rule, n)
	var requests []*router.Request
	for i := range rules {
		r := &rules[i]
		r.Name = fmt.Sprintf("r%05d", i)
		kind := shape
		host := "shop.example.com:8080"
		if shape == "mix" {
			kind = [...]string{"exact", "prefix", "pattern"}[i%3]
			r.Hosts = []string{fmt.Sprintf("shop%d.example.com", i/10)}
			r.Methods = []string{"GET", "POST"}
			host = r.Hosts[0] + ":8080"
		}
		path := fmt.Sprintf("/api/v%d/service-%d", i%3, i)
		switch kind {
		case "exact":
			path += "/list"
			r.Path = path
		case "prefix":
			r.PathPrefix = path
			path += "/list"
		case "pattern":
			r.PathPattern = path + "/{id}/items"
			path += "/12345/items"
		}
		if i%(n/min(n, 1024)) == 0 && len(requests) < 1024 {
			requests = append(requests, &router.Request{Host: []byte(host), Path: []byte(path), Method: []byte("GET")})
		}
	}
	return rules, requests
}

// BenchmarkMatch should hardly depend on the number of routes. It goes round
// many requests, so that the processor's caches do not hold just one way through
// the trees.
func BenchmarkMatch(b *testing.B) {
	for _, shape := range []string{"exact", "prefix", "pattern", "mix"} {
		for _, n := range []int{1, 10, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", shape, n), func(b *testing.B) {
				rules, requests := spread(shape, n)
				r := mustNew(b, rules)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if m := r.Match(requests[i%len(requests)]); m.Rule < 0 {
						b.Fatal(m)
					}
				}
			})
		}
	}
	for name, q := range map[string]*router.Request{
		"404": {Host: []byte("none.example.com"), Path: []byte("/none"), Method: []byte("GET")},
		"405": {Host: []byte("shop0.example.com"), Path: []byte("/api/v0/service-0/list"), Method: []byte("PUT")},
	} {
		b.Run(name+"/10000", func(b *testing.B) {
			rules, _ := spread("mix", 10000)
			r := mustNew(b, rules)
			b.ReportAllocs()
			for b.Loop() {
				if r.Match(q).Rule >= 0 {
					b.Fatal("matched")
				}
			}
		})
	}
}

// BenchmarkBuild is what a reload pays for 10,000 routes.
func BenchmarkBuild(b *testing.B) {
	rules, _ := spread("mix", 10000)
	for b.Loop() {
		mustNew(b, rules)
	}
}

// BenchmarkUnreachable is what validate pays, with regexes to compare.
func BenchmarkUnreachable(b *testing.B) {
	rules, _ := spread("prefix", 10000)
	for i := range 20 {
		rules = append(rules, router.Rule{Name: fmt.Sprint(i), PathRegex: fmt.Sprintf(`/.*\.%d`, i)})
	}
	r := mustNew(b, rules)
	for b.Loop() {
		r.Unreachable()
	}
}
