//go:build e2e

package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// handful lets three requests through and then none for an hour, so that no test
// depends on how fast it runs.
const handful = `
limit "token_bucket" "handful" {
  rate  = "1/h"
  burst = 3
  key   = [client.ip]
}
route "limited" {
  path_prefix = "/limited"
  service     = "orders"
  limits      = ["handful"]
}
`

// spend sends requests until one is refused and returns how many passed.
func spend(t *testing.T, g *harness.Gateway, path string, fields ...string) (int, harness.Answer) {
	t.Helper()
	for passed := range 50 {
		a := g.Get(path, fields...)
		if a.Status == http.StatusTooManyRequests {
			return passed, a
		}
		if a.Status != http.StatusOK {
			t.Fatalf("request %d: status %d: %s", passed, a.Status, a.Body)
		}
	}
	t.Fatal("50 requests passed")
	return 0, harness.Answer{}
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, handful+ordersRoute)
	passed, a := spend(t, w.gateway, "/limited/1")
	if passed != 3 {
		t.Errorf("%d requests passed, want 3", passed)
	}
	retry, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if err != nil || retry < 1 || time.Duration(retry)*time.Second > time.Hour {
		t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
	}
	if policy := a.Header.Get("RateLimit-Policy"); !strings.HasPrefix(policy, `"handful";`) || !strings.Contains(policy, ";q=") {
		t.Errorf("RateLimit-Policy is %q", policy)
	}
	if left := a.Header.Get("RateLimit"); !strings.HasPrefix(left, `"handful";`) || !strings.Contains(left, "r=0") {
		t.Errorf("RateLimit is %q", left)
	}
	if p := a.Problem(t); !strings.HasSuffix(p.Type, "quota-exceeded") || p.Status != http.StatusTooManyRequests {
		t.Errorf("problem %+v", p)
	}
	if a.Header.Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
	if a := w.gateway.Get("/orders"); a.Status != http.StatusOK {
		t.Errorf("a route without the limit: %d", a.Status)
	}
	// Nobody gets a fresh budget by claiming to be somebody else.
	if a := w.gateway.Get("/limited", "X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4", "X-Real-IP: 1.2.3.4"); a.Status != http.StatusTooManyRequests {
		t.Errorf("with a spoofed address: %d", a.Status)
	}

	// What was spent stays spent over a reload that leaves the limit as it is.
	w.gateway.WritePolicies(handful + ordersRoute + "route \"more\" {\n  path = \"/more\"\n  service = \"orders\"\n}\n")
	w.gateway.Reload()
	if a := w.gateway.Get("/more"); a.Status != http.StatusOK {
		t.Errorf("the new route: %d", a.Status)
	}
	if a := w.gateway.Get("/limited"); a.Status != http.StatusTooManyRequests {
		t.Errorf("after a reload: %d", a.Status)
	}
}

// Every algorithm refuses the request after the last that it allows.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, `
limit "token_bucket" "tokens" {
  rate  = "1/h"
  burst = 4
}
limit "leaky_bucket" "leak" {
  rate = "1/h"
}
limit "fixed_window" "fixed" {
  limit  = 2
  window = "1000h"
}
limit "sliding_window" "counter" {
  limit  = 3
  window = "1h"
}
limit "sliding_window" "log" {
  limit     = 2
  window    = "1h"
  precision = "log"
}
route "tokens" {
  path    = "/tokens"
  service = "orders"
  limits  = ["tokens"]
}
route "leak" {
  path    = "/leak"
  service = "orders"
  limits  = ["leak"]
}
route "fixed" {
  path    = "/fixed"
  service = "orders"
  limits  = ["fixed"]
}
route "counter" {
  path    = "/counter"
  service = "orders"
  limits  = ["counter"]
}
route "log" {
  path    = "/log"
  service = "orders"
  limits  = ["log"]
}
`)
	for path, want := range map[string]int{"/tokens": 4, "/leak": 1, "/fixed": 2, "/counter": 3, "/log": 2} {
		if passed, _ := spend(t, w.gateway, path); passed != want {
			t.Errorf("%s: %d requests passed, want %d", path, passed, want)
		}
	}
}

func TestLimitKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, `
limit "token_bucket" "by_tenant" {
  rate  = "1/h"
  burst = 2
  key   = [request.header["X-Tenant"]]
}
limit "token_bucket" "by_route" {
  rate  = "1/h"
  burst = 1
  key   = [route.name]
}
limit "token_bucket" "one_for_all" {
  rate  = "1/h"
  burst = 2
  key   = []
}
limit "token_bucket" "watched_only" {
  rate  = "1/h"
  burst = 1
  mode  = "permissive"
}
route "tenant" {
  path    = "/tenant"
  service = "orders"
  limits  = ["by_tenant"]
}
route "first" {
  path    = "/first"
  service = "orders"
  limits  = ["by_route"]
}
route "second" {
  path    = "/second"
  service = "orders"
  limits  = ["by_route"]
}
route "shared_a" {
  path    = "/a"
  service = "orders"
  limits  = ["one_for_all"]
}
route "shared_b" {
  path    = "/b"
  service = "orders"
  limits  = ["one_for_all"]
}
route "watched" {
  path    = "/watched"
  service = "orders"
  limits  = ["watched_only"]
}
`)
	for _, tenant := range []string{"X-Tenant: a", "x-tenant: b", "X-Other: without one"} {
		if passed, _ := spend(t, w.gateway, "/tenant", tenant); passed != 2 {
			t.Errorf("%s: %d requests passed, want 2", tenant, passed)
		}
	}
	for _, path := range []string{"/first", "/second"} {
		if passed, _ := spend(t, w.gateway, path); passed != 1 {
			t.Errorf("%s: %d requests passed, want 1", path, passed)
		}
	}
	if passed, _ := spend(t, w.gateway, "/a"); passed != 2 {
		t.Errorf("/a: %d requests passed, want 2", passed)
	}
	if passed, _ := spend(t, w.gateway, "/b"); passed != 0 {
		t.Errorf("/b: %d requests passed of the budget that /a has spent", passed)
	}
	for n := range 5 {
		a := w.gateway.Get("/watched")
		if a.Status != http.StatusOK || a.Header.Get("RateLimit") != "" {
			t.Errorf("permissive, request %d: status %d, RateLimit %q", n, a.Status, a.Header.Get("RateLimit"))
		}
	}
}

// The gateway's own limits count every request, those that no route takes too.
func TestGatewayLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute+`
limit "token_bucket" "flood" {
  rate  = "1/h"
  burst = 3
  key   = [client.ip]
}
gateway {
  limits = ["flood"]
}
`)
	for n, want := range []int{http.StatusNotFound, http.StatusOK, http.StatusNotFound, http.StatusTooManyRequests} {
		path := "/nothing"
		if want == http.StatusOK {
			path = "/orders"
		}
		if a := w.gateway.Get(path); a.Status != want {
			t.Errorf("request %d: status %d, want %d", n, a.Status, want)
		}
	}
	if served := w.orders[0].Served(); served != 1 {
		t.Errorf("%d requests reached the instance, want 1", served)
	}
}

// All limits of a phase are charged, or none.
func TestLimitsAreAllOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, `
limit "token_bucket" "tight" {
  rate  = "1/h"
  burst = 1
}
limit "token_bucket" "wide" {
  rate  = "1/h"
  burst = 5
}
route "both" {
  path    = "/both"
  service = "orders"
  limits  = ["wide", "tight"]
}
route "wide" {
  path    = "/wide"
  service = "orders"
  limits  = ["wide"]
}
`)
	if passed, _ := spend(t, w.gateway, "/both"); passed != 1 {
		t.Errorf("%d requests passed both, want 1", passed)
	}
	for range 5 {
		w.gateway.Get("/both") // refused by tight, so free of charge to wide
	}
	if passed, _ := spend(t, w.gateway, "/wide"); passed != 4 {
		t.Errorf("%d requests passed wide alone, want the 4 that are left", passed)
	}
}
