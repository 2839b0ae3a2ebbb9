package router_test

import (
	"fmt"
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// spread returns n rules of one shape under 1 host in 10 of their number, and
// a request for one in the middle.
func spread(shape string, n int) ([]router.Rule, *router.Request) {
	rules := make([]router.Rule, n)
	for i := range rules {
		r := &rules[i]
		r.Name = fmt.Sprintf("r%05d", i)
		kind := shape
		if shape == "mix" {
			kind = [...]string{"exact", "prefix", "pattern"}[i%3]
			r.Hosts = []string{fmt.Sprintf("shop%d.example.com", i/10)}
			r.Methods = []string{"GET", "POST"}
		}
		base := fmt.Sprintf("/api/v%d/service-%d", i%3, i)
		switch kind {
		case "exact":
			r.Path = base + "/list"
		case "prefix":
			r.PathPrefix = base
		case "pattern":
			r.PathPattern = base + "/{id}/items"
		}
	}
	i := n / 2
	tail := "/list"
	if shape == "pattern" || shape == "mix" && i%3 == 2 {
		tail = "/12345/items"
	}
	return rules, &router.Request{
		Host:   []byte(fmt.Sprintf("shop%d.example.com:8080", i/10)),
		Path:   []byte(fmt.Sprintf("/api/v%d/service-%d%s", i%3, i, tail)),
		Method: []byte("GET"),
	}
}

// BenchmarkMatch should hardly depend on the number of routes.
func BenchmarkMatch(b *testing.B) {
	for _, shape := range []string{"exact", "prefix", "pattern", "mix"} {
		for _, n := range []int{10, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", shape, n), func(b *testing.B) {
				rules, q := spread(shape, n)
				r := mustNew(b, rules)
				b.ReportAllocs()
				for b.Loop() {
					if m := r.Match(q); m.Rule != n/2 {
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
