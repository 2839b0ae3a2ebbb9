//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// A limit that only watches refuses nobody and says what it would have done.
func TestPermissiveAndDisabledLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, limited("watching", 2, "client.ip", `mode = "permissive"`)+
		limited("off", 1, "client.ip", `mode = "disabled"`)+limited("strict", 5, "client.ip", "")+
		open("watched", "watching")+open("off", "off")+open("mixed", "watching", "strict"))
	g := w.gateway
	for n := range 10 {
		a := g.Get("/watched")
		if a.Status != http.StatusOK || a.Header.Get("RateLimit") != "" || a.Header.Get("RateLimit-Policy") != "" || a.Header.Get("Retry-After") != "" {
			t.Errorf("request %d: status %d with %v", n, a.Status, a.Header)
		}
	}
	decisions := func(limit string) map[string]float64 {
		got := map[string]float64{}
		for _, d := range []string{"allowed", "delayed", "denied", "would_deny", "store_error"} {
			if n := g.Metric(t, "lictor_limit_decisions_total", "limit="+limit, "decision="+d); n > 0 {
				got[d] = n
			}
		}
		return got
	}
	if got := decisions("watching"); !maps.Equal(got, map[string]float64{"allowed": 2, "would_deny": 8}) {
		t.Errorf("10 requests beyond a budget of 2 were counted as %v", got)
	}
	for n := range 5 {
		if a := g.Get("/off"); a.Status != http.StatusOK || a.Header.Get("RateLimit") != "" {
			t.Errorf("disabled, request %d: %d, RateLimit %q", n, a.Status, a.Header.Get("RateLimit"))
		}
	}
	if got := decisions("off"); len(got) != 0 {
		t.Errorf("a disabled limit decided %v", got)
	}
	passed, a := spend(t, g, "/mixed")
	if passed != 5 {
		t.Errorf("%d requests passed beside a limit that only watches, want 5", passed)
	}
	if left := a.Header.Get("RateLimit"); !strings.HasPrefix(left, `"strict";`) || strings.Contains(left, "watching") {
		t.Errorf("RateLimit is %q", left)
	}
	if !contains(a.Body, `"violated-policies":["strict"]`) {
		t.Errorf("the problem is %s", a.Body)
	}
	if got := decisions("strict"); !maps.Equal(got, map[string]float64{"allowed": 5, "denied": 1}) {
		t.Errorf("6 requests beyond a budget of 5 were counted as %v", got)
	}
}

func TestFieldsOfLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, limited("standard", 2, "client.ip", "")+limited("old", 2, "client.ip", `headers = "legacy"`)+
		limited("older", 1, "client.ip", `headers = "legacy"`)+limited("silent", 1, "client.ip", `headers = "off"`)+
		open("standard", "standard")+open("old", "old")+open("silent", "silent")+open("tighter", "older", "old"))
	for _, path := range []string{"/old", "/standard"} {
		w.orders[0].Handle(path, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X-RateLimit-Remaining", "999")
			rw.Header().Set("RateLimit", `"own";r=7;t=1`)
		})
	}
	// What is left of the hour that the first request has begun counts as all of it.
	begun, seconds := time.Now(), regexp.MustCompile(`\b3[56]\d\d\b`)
	anHour := func(text string) string {
		n, err := strconv.Atoi(text)
		if passed := time.Hour - time.Duration(n)*time.Second; err != nil || passed < 0 || passed > time.Since(begun) {
			return text
		}
		return "3600"
	}
	fields := func(a harness.Answer) map[string]string {
		got := map[string]string{}
		for name, values := range a.Header {
			if strings.Contains(strings.ToLower(name), "ratelimit") || name == "Retry-After" {
				got[strings.ToLower(name)] = seconds.ReplaceAllStringFunc(strings.Join(values, ", "), anHour)
			}
		}
		return got
	}
	is := func(what string, a harness.Answer, status int, want map[string]string) {
		t.Helper()
		if got := fields(a); a.Status != status || !maps.Equal(got, want) {
			t.Errorf("%s: status %d with %v, want %d with %v", what, a.Status, got, status, want)
		}
	}
	g := w.gateway
	is("legacy", g.Get("/old"), 200, map[string]string{
		"x-ratelimit-limit": "2", "x-ratelimit-remaining": "1", "x-ratelimit-reset": "3600", "ratelimit": `"own";r=7;t=1`,
	})
	is("legacy, the last", g.Get("/old"), 200, map[string]string{
		"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3600", "ratelimit": `"own";r=7;t=1`,
	})
	is("legacy, refused", g.Get("/old"), 429, map[string]string{
		"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3600", "retry-after": "3600",
	})
	is("legacy, two of them", g.Get("/tighter"), 429, map[string]string{
		"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3600", "retry-after": "3600",
	})
	is("standard", g.Get("/standard"), 200, map[string]string{
		"ratelimit-policy": `"standard";q=2;w=7200`, "ratelimit": `"own";r=7;t=1, "standard";r=1;t=3600`, "x-ratelimit-remaining": "999",
	})
	g.Get("/standard")
	is("standard, refused", g.Get("/standard"), 429, map[string]string{
		"ratelimit-policy": `"standard";q=2;w=7200`, "ratelimit": `"standard";r=0;t=3600`, "retry-after": "3600",
	})
	is("silent", g.Get("/silent"), 200, map[string]string{})
	is("silent, refused", g.Get("/silent"), 429, map[string]string{"retry-after": "3600"})
}

// The gateway's limits come before all else and count whatever arrives.
func TestGatewayLimitsComeFirst(t *testing.T) {
	t.Parallel()
	key := harness.NewKey(t, "EdDSA", "one")
	w := newWorldWith(t, 1, harness.Options{
		Listener: `trusted_proxies = ["127.0.0.0/8"]`,
		Policies: provider("main", localKeys(keyFile(t, key)), "") + limited("flood", 4, "client.ip", "") +
			guarded("token", "main", "", `limits = ["flood"]`) + `
route "get" {
  path    = "/get"
  service = "orders"
  methods = ["GET"]
}
route "nowhere" {
  path    = "/nowhere"
  service = "nobody-registers-this"
}
gateway {
  limits = ["flood"]
}
defaults {
  limits = ["flood"]
}
`,
	})
	g := w.gateway
	at := from("192.0.2.1")
	for n, test := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/nothing", 404},
		{"POST", "/get", 405},
		{"GET", "/token", 401},
		{"GET", "/nowhere", 503},
		{"GET", "/nothing", 429},
		{"POST", "/get", 429},
		{"GET", "/token", 429},
		{"GET", "/nowhere", 429},
		{"GET", "/get", 429},
	} {
		if a := g.Do(test.method, test.path, nil, at); a.Status != test.want {
			t.Errorf("request %d, %s %s: status %d, want %d", n, test.method, test.path, a.Status, test.want)
		}
	}
	// Named thrice, charged once.
	passes(t, "elsewhere", 4, g, "/token", bearer(key.Token(person("ada"))), from("192.0.2.2"))
	harness.Within(t, harness.Patience, "requests without a route are counted", func() error { // a moment after their answers
		n, err := g.TryMetric("lictor_requests_total", "route=-", "class=4xx")
		if err == nil && n != 8 {
			err = fmt.Errorf("%v of 8", n)
		}
		return err
	})
}

func TestDefaultsAndSharedLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, limited("usual", 2, "route.name", "")+limited("own", 3, "client.ip", "")+
		limited("split", 2, "client.ip, route.name", "")+`
defaults {
  limits = ["usual"]
}
`+open("plain")+open("more", "own")+open("even", "own")+strings.ReplaceAll(open("alone", "own"), "limits =", "inherit_limits = false\n  limits =")+
		strings.ReplaceAll(open("free")+open("a", "split")+open("b", "split"), "limits =", "inherit_limits = false\n  limits ="))
	g := w.gateway
	passes(t, "the defaults alone", 2, g, "/plain")
	passes(t, "the defaults and its own", 2, g, "/more")
	passes(t, "its own without the defaults, on the same budget", 1, g, "/alone")
	passes(t, "the same budget, spent", 0, g, "/even")
	for n := range 8 {
		if a := g.Get("/free"); a.Status != http.StatusOK || a.Header.Get("RateLimit") != "" {
			t.Errorf("no limit at all, request %d: %d", n, a.Status)
		}
	}
	passes(t, "split by route", 2, g, "/a")
	passes(t, "split by route, the other", 2, g, "/b")

	status, body, err := g.AdminGet("/v1/limits")
	if err != nil || status != http.StatusOK {
		t.Fatalf("limits: %d %v", status, err)
	}
	var shown struct {
		Limits []struct {
			Name            string
			Routes          []string
			Keys            int
			Allowed, Denied int
		}
	}
	if err := json.Unmarshal(body, &shown); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(shown.Limits), "[{usual [plain more even] 2 4 2} {own [more even alone] 1 3 2} {split [a b] 2 4 2}]"; got != want {
		t.Errorf("the admin API shows %s, want %s", got, want)
	}
}
