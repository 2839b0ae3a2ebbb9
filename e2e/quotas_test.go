//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// What a request costs is its limit's business, its method's and its route's.
func TestCosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, limited("tokens", 12, "client.ip", "cost = { POST = 5, OPTIONS = 0 }")+open("plain", "tokens")+`
route "dear" {
  path    = "/dear"
  service = "orders"
  limits  = [{ name = "tokens", cost = 3 }]
}
route "free" {
  path    = "/free"
  service = "orders"
  limits  = [{ name = "tokens", cost = { GET = 0, other = 12 } }]
}
`)
	for n, c := range []struct {
		method, path string
		status       int
		left         string
	}{
		{"GET", "/plain", 200, "11"},
		{"HEAD", "/plain", 200, "10"},
		{"POST", "/plain", 200, "5"},
		{"OPTIONS", "/plain", 200, "5"},
		{"PUT", "/free", 429, "5"},
		{"GET", "/dear", 200, "2"},
		{"GET", "/dear", 429, "2"},
		{"POST", "/plain", 429, "2"},
		{"GET", "/free", 200, "2"},
		{"HEAD", "/free", 200, "2"},
		{"GET", "/plain", 200, "1"},
		{"GET", "/plain", 200, "0"},
		{"OPTIONS", "/plain", 200, "0"},
		{"GET", "/plain", 429, "0"},
	} {
		a := w.gateway.Do(c.method, c.path, nil)
		if left := regexp.MustCompile(`;r=(\d+)`).FindStringSubmatch(a.Header.Get("RateLimit")); a.Status != c.status || left == nil || left[1] != c.left {
			t.Errorf("request %d, %s %s: %d with %q, want %d with %s left", n, c.method, c.path, a.Status, a.Header.Get("RateLimit"), c.status, c.left)
		}
	}
}

// Bytes are charged by their announced length, and those that nobody announced as
// they come: the next requests pay for them.
func TestBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, limited("volume", 1000, `request.header["X-Who"], client.ip`, `unit = "bytes"`)+open("up", "volume"))
	g := w.gateway
	put := func(who string, body io.Reader) harness.Answer {
		return g.Do(http.MethodPut, "/up", body, "X-Who: "+who)
	}
	of := func(n int) string { return strings.Repeat("x", n) }
	chunked := func(n int) io.Reader { return io.MultiReader(strings.NewReader(of(n))) } // of no length that is known
	for n, c := range []struct {
		who    string
		body   io.Reader
		status int
		r, t   int // whose time has not gone on by more than the test
	}{
		{"a", strings.NewReader(of(600)), 200, 400, 1440000},
		{"a", strings.NewReader(of(401)), 429, 400, 3600},
		{"a", strings.NewReader(of(400)), 200, 0, 3600},
		{"a", strings.NewReader("x"), 429, 0, 3600},
		{"a", chunked(1), 429, 0, 3600},
		{"a", nil, 200, 0, 3600}, // no body, no bytes
		{"b", strings.NewReader(of(1001)), 429, 1000, 3600000},
		{"b", chunked(1500), 200, 999, 3596400},
		{"b", chunked(1), 429, 0, 1803600},
		{"b", strings.NewReader("x"), 429, 0, 1803600},
		{"b", nil, 200, 0, 1803600},
	} {
		a := put(c.who, c.body)
		var left, after int
		_, err := fmt.Sscanf(a.Header.Get("RateLimit"), `"volume";r=%d;t=%d`, &left, &after)
		if err != nil || a.Status != c.status || left != c.r || after > c.t || after < c.t-int(harness.Patience.Seconds()) {
			t.Errorf("request %d: %d with %s, want %d with r=%d and t=%d", n, a.Status, a.Header.Get("RateLimit"), c.status, c.r, c.t)
		}
		if got := a.Header.Get("RateLimit-Policy"); got != `"volume";q=1000;qu="content-bytes";w=3600000` {
			t.Errorf("request %d: the policy is %s", n, got)
		}
		if c.who == "b" && n == 6 && a.Header.Get("Retry-After") != "" {
			t.Errorf("what can never pass may be retried after %s", a.Header.Get("Retry-After"))
		}
	}
}

// A quota by the calendar says when the month is over there, and a client who has
// spent it is told to come back then.
func TestCalendarQuotas(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldWith(t, 1, harness.Options{Env: []string{"ZONEINFO=/nowhere"}, Policies: `
limit "fixed_window" "monthly" {
  limit     = 2
  window    = "month"
  align     = "calendar"
  time_zone = "Europe/Berlin"
}
limit "fixed_window" "yearly" {
  limit     = 3
  window    = "year"
  align     = "calendar"
  time_zone = "Europe/Berlin"
}
` + open("month", "monthly") + open("year", "yearly")})
	g := w.gateway
	now := time.Now().In(berlin)
	for path, end := range map[string]time.Time{
		"/month": time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, berlin),
		"/year":  time.Date(now.Year()+1, 1, 1, 0, 0, 0, 0, berlin),
	} {
		_, a := spend(t, g, path)
		left := time.Until(end)
		seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if off := time.Duration(seconds)*time.Second - left; err != nil || off < -time.Second || off > harness.Patience {
			t.Errorf("%s: Retry-After is %q, and there are %v left", path, a.Header.Get("Retry-After"), left)
		}
		if policy := a.Header.Get("RateLimit-Policy"); strings.Contains(policy, "w=") {
			t.Errorf("%s: windows of different lengths are told as %s", path, policy)
		}
	}
	w.gateway.WritePolicies(open("month", "monthly") + `
limit "fixed_window" "monthly" {
  limit     = 3
  window    = "month"
  align     = "calendar"
  time_zone = "Europe/Berlin"
}
`)
	w.gateway.Reload()
	passes(t, "one more a month", 1, g, "/month")
}
