//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// canaryRoute divides what is below /shop between two versions of a service.
func canaryRoute(stable, canary int) string {
	return fmt.Sprintf(`
route "shop" {
  path_prefix = "/shop"
  split "shop" {
    weight = %d
    tags   = ["v1"]
  }
  split "shop" {
    weight = %d
    tags   = ["v2"]
  }
}
`, stable, canary)
}

// divided sends requests one after another, and wants each group of instances to have
// answered exactly so many.
func divided(t *testing.T, g *harness.Gateway, path string, want map[string]int) {
	t.Helper()
	all := 0
	for _, n := range want {
		all += n
	}
	got, err := shares(g, path, all)
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]int{}
	for id, n := range got {
		for group := range want {
			if strings.HasPrefix(id, group) {
				groups[group] += n
			}
		}
	}
	for group, n := range want {
		if groups[group] != n {
			t.Errorf("%s answered %d of %d requests, want %d: %v", group, groups[group], all, n, got)
		}
	}
}

// Requests are divided exactly, a canary that turns critical loses none of them, it has
// its own again when it is back, and weights change without a failed request.
func TestCanary(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	ledger := &harness.Ledger{}
	stable := []*harness.Instance{harness.StartInstance(t, "shop", "stable-1"), harness.StartInstance(t, "shop", "stable-2")}
	canary := harness.StartInstance(t, "shop", "canary-1")
	all := append(stable[:2:2], canary)
	for _, i := range all {
		i.Record(ledger)
	}
	registerTagged(consul, []string{"v1"}, stable...)
	registerTagged(consul, []string{"v2"}, canary)
	consul.Lists("shop", 3)
	g := harness.StartGateway(t, harness.Options{Consul: consul.Address(), Policies: canaryRoute(90, 10)})
	harness.Within(t, harness.Patience, "both are known", func() error {
		got, err := shares(g, "/shop", 20)
		if err == nil && got["canary-1"] == 0 {
			err = fmt.Errorf("answered by %v", got)
		}
		return err
	})
	divided(t, g, "/shop", map[string]int{"stable": 900, "canary": 100})
	for id, most := range map[string]int64{"stable-1": 550, "stable-2": 550} { // they take turns
		for _, i := range stable {
			if i.ID == id && i.Served() > most {
				t.Errorf("%s has served %d", id, i.Served())
			}
		}
	}
	if r := g.Run("routes"); r.Code != 0 || !strings.Contains(r.Stdout, "shop[v1] 90%, shop[v2] 10%") {
		t.Errorf("lictor routes: %+v", r)
	}
	if n := g.Metric(t, "lictor_split_share", "route=shop", "tags=v2"); n != 0.1 {
		t.Errorf("the canary's share is %v", n)
	}

	load := harness.Load{URL: g.URL("/shop")}.Start(t)
	load.WaitFor(500)
	for range 2 {
		consul.Report(canary, "critical")
		harness.Within(t, harness.Patience, "the others take over", onlyByMany(g, "/shop", 40, stable...))
		load.WaitFor(load.Sent() + 500)
		if n := g.Metric(t, "lictor_split_share", "route=shop", "tags=v2"); n != 0 {
			t.Errorf("the canary's share is %v", n)
		}
		consul.Report(canary, "passing")
		harness.Within(t, harness.Patience, "the canary is back", onlyByMany(g, "/shop", 40, all...))
		load.WaitFor(load.Sent() + 500)
	}
	g.WritePolicies(canaryRoute(0, 1))
	g.Reload()
	harness.Within(t, harness.Patience, "all goes to the new version", onlyByMany(g, "/shop", 40, canary))
	load.WaitFor(load.Sent() + 500)
	g.WritePolicies(canaryRoute(90, 10))
	g.Reload()
	load.WaitFor(load.Sent() + 500)
	settle(t, load, ledger)
	divided(t, g, "/shop", map[string]int{"stable": 900, "canary": 100})
	for _, line := range []string{"share without a healthy instance, others get its requests: route=shop share=shop[v2]", "share has a healthy instance again: route=shop share=shop[v2]"} {
		if n := g.Log.Count(line); n != 2 {
			t.Errorf("%q was logged %d times, want twice", line, n)
		}
	}
	r := g.Run("explain", g.URL("/shop"))
	for _, want := range []string{"Share shop[v1] 90%: service shop", "Share shop[v2] 10%: service shop", "would be asked now", `lacks the tag "v2"`} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("explain does not say %q: %s%s", want, r.Stdout, r.Stderr)
		}
	}
}

// onlyByMany is onlyBy for instances of which some seldom answer.
func onlyByMany(g *harness.Gateway, path string, requests int, instances ...*harness.Instance) func() error {
	return func() error {
		got, err := shares(g, path, requests)
		if err != nil {
			return err
		}
		wrong := len(got) != len(instances)
		for _, i := range instances {
			wrong = wrong || got[i.ID] == 0
		}
		if wrong {
			return fmt.Errorf("answered by %v", got)
		}
		return nil
	}
}

// Weights in the tags of fabio divide requests, among services and among instances of
// one, and follow who is there.
func TestFabioWeights(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	stable := []*harness.Instance{harness.StartInstance(t, "stable", "stable-1"), harness.StartInstance(t, "stable", "stable-2")}
	next := []*harness.Instance{harness.StartInstance(t, "next", "next-1"), harness.StartInstance(t, "next", "next-2")}
	old, canary := harness.StartInstance(t, "api", "old-1"), harness.StartInstance(t, "api", "canary-1")
	registerTagged(consul, []string{"urlprefix-/shop"}, stable...)
	registerTagged(consul, []string{"urlprefix-/shop weight=0.1"}, next[0])
	registerTagged(consul, []string{"urlprefix-/api strip=/api"}, old)
	registerTagged(consul, []string{"urlprefix-/api strip=/api weight=0.2"}, canary)
	consul.Lists("stable", 2)
	consul.Lists("next", 1)
	consul.Lists("api", 2)
	g := harness.StartGateway(t, harness.Options{Consul: consul.Address(), ConsulBlock: "fabio_tags = true"})
	weighed := func(want string) {
		t.Helper()
		harness.Within(t, harness.Patience, "requests are divided as "+want, func() error {
			if r := g.Run("routes"); !strings.Contains(r.Stdout, want) {
				return fmt.Errorf("lictor routes: %s%s", r.Stdout, r.Stderr)
			}
			return nil
		})
	}
	weighed("next 10%, stable 90%")
	weighed("api[urlprefix-/api strip=/api] 80%, api[urlprefix-/api strip=/api weight=0.2] 20%")
	divided(t, g, "/shop", map[string]int{"stable": 900, "next": 100})
	divided(t, g, "/api/x", map[string]int{"old": 800, "canary": 200})

	load := harness.Load{URL: g.URL("/shop")}.Start(t)
	load.WaitFor(200)
	registerTagged(consul, []string{"urlprefix-/shop weight=0.1"}, next[1])
	weighed("next 20%, stable 80%")
	consul.Report(next[0], "critical")
	weighed("next 10%, stable 90%")
	consul.Report(next[1], "critical")
	harness.Within(t, harness.Patience, "the others have all requests", onlyByMany(g, "/shop", 40, stable...))
	consul.Report(next[0], "passing")
	consul.Report(next[1], "passing")
	weighed("next 20%, stable 80%")
	load.WaitFor(load.Sent() + 500)
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}
	divided(t, g, "/shop", map[string]int{"stable": 800, "next": 200})

	listed := harness.RunLictor(t, nil, "validate", "-fabio", filepath.Join(g.Dir, "lictor.hcl"))
	if listed.Code != 0 || !strings.Contains(listed.Stderr, "Tags amount to 2 routes, with 0 warnings.") || strings.Count(listed.Stdout, "split ") != 4 {
		t.Fatalf("validate -fabio ended with %d: %s%s", listed.Code, listed.Stdout, listed.Stderr)
	}
	plain := harness.StartGateway(t, harness.Options{Consul: consul.Address(), Policies: listed.Stdout})
	harness.Within(t, harness.Patience, "the listed routes are a policy", onlyByMany(plain, "/shop", 40, append(stable, next...)...))
	divided(t, plain, "/shop", map[string]int{"stable": 800, "next": 200})
}

// Of the services of a split each is known by its own identity in the mesh, and one that
// has none is spoken to in clear beside them.
func TestCanaryInTheMesh(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	stable, next, plain := harness.StartInstance(t, "shop", "shop-1"), harness.StartInstance(t, "shop-next", "next-1"), harness.StartInstance(t, "plain", "plain-1")
	consul.RegisterMeshed(stable)
	consul.RegisterMeshed(next)
	consul.Register(plain)
	g := harness.StartGateway(t, harness.Options{Consul: consul.Address(), ConsulBlock: meshed, Policies: `
route "shop" {
  path_prefix = "/shop"
  split "shop" {
    weight = 2
  }
  split "shop-next" {
    weight = 1
  }
  split "plain" {
    weight = 1
  }
}
`})
	harness.Within(t, harness.Patience, "all serve", onlyByMany(g, "/shop", 8, stable, next, plain))
	divided(t, g, "/shop", map[string]int{"shop": 40, "next": 20, "plain": 20})
	r := g.Run("explain", g.URL("/shop"))
	for want, n := range map[string]int{"spoken to through the mesh": 2, "spoken to in clear": 1} {
		if got := strings.Count(r.Stdout, want); got != n {
			t.Errorf("explain says %q %d times, want %d: %s%s", want, got, n, r.Stdout, r.Stderr)
		}
	}
}
