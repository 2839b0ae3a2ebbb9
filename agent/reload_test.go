package agent

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// perClient is a token bucket that refills so slowly that a test sees no refill.
func perClient(burst int, key string) string {
	return fmt.Sprintf("limit \"token_bucket\" \"per_client\" {\n  rate = \"1/h\"\n  burst = %d\n  key = [%s]\n}\n", burst, key)
}

// spend asks until it is refused, and returns how often it was not.
func (g *gateway) spend(path string, fields ...string) int {
	g.t.Helper()
	for n := range 100 {
		switch a := g.get(path, fields...); a.status {
		case http.StatusOK:
		case http.StatusTooManyRequests:
			return n
		default:
			g.t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
	}
	g.t.Fatal("never refused")
	return 0
}

func TestReloadSwapsThePolicies(t *testing.T) {
	t.Parallel()
	one, two := says(t, "one"), says(t, "two")
	g := start(t, service("one", one)+route("a", "/a", "one")).awaitReady()
	if a := g.get("/a"); a.status != 200 || a.body != "one" {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	report := g.accept(service("one", one) + service("two", two) + route("a", "/a", "two") + route("b", "/b", "one"))
	if report.Generation != 2 || len(report.Notes) > 0 || report.Diagnostics != "" {
		t.Errorf("the report is %+v", report)
	}
	eventually(t, "the route leads to the other service", func() bool { return g.get("/a").body == "two" })
	if a := g.get("/b"); a.body != "one" {
		t.Errorf("the new route: %d %s", a.status, a.body)
	}
	n := g.current.Load().route("a").Metrics
	if n == nil {
		t.Fatal("no figures")
	}
	// A request is counted a moment after its answer has gone.
	eventually(t, "the route's counter goes on from before the reload", func() bool {
		all, _ := n.Requests()
		return all >= 2
	})
}

// Nothing of a refused configuration takes effect, and all that is wrong is told
// at once.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	one := says(t, "one")
	good := perClient(3, "client.ip") + service("one", one) + route("a", "/a", "one", `limits = ["per_client"]`)
	g := start(t, good).awaitReady()
	g.get("/a")
	level := g.log.count("[DEBUG]")
	report, err := g.reload("log_level = \"DEBUG\"\n" + perClient(100, "client.ip") + service("one", one) +
		route("a", "/a", "elsewhere", `limits = ["per_cleint"]`) + route("b", "/b", "gone", `colour = "red"`))
	refusal, ok := errors.AsType[*DiagnosticsError](err)
	if !ok {
		t.Fatalf("the error is %T %v", err, err)
	}
	for _, want := range []string{`"per_client"`, "colour", "lictor.hcl line"} {
		if !strings.Contains(refusal.Text, want) {
			t.Errorf("%q is not in the diagnostics:\n%s", want, refusal.Text)
		}
	}
	if report.Generation != 1 || report.Diagnostics != refusal.Text || g.current.Load().number != 1 {
		t.Errorf("generation %d serves, the report is %+v", g.current.Load().number, report)
	}
	if a := g.get("/a"); a.body != "one" {
		t.Errorf("the route: %d %s", a.status, a.body)
	}
	if n := g.spend("/a"); n != 1 {
		t.Errorf("%d more requests passed, want 1", n)
	}
	if g.get("/b").status != 404 || g.log.count("[DEBUG]") != level {
		t.Error("something of the refused configuration took effect")
	}
	if ok, failed := g.reloads.ok.Load(), g.reloads.failed.Load(); ok != 0 || failed != 1 {
		t.Errorf("counted %d accepted and %d refused reloads", ok, failed)
	}
	g.accept(good)
	if n := g.current.Load().number; n != 2 {
		t.Errorf("the next generation is %d", n)
	}
}

// A configuration that parses and can't be built must leave nothing behind, such
// as the pools of its routes.
func TestReloadRefusedWhileBuilding(t *testing.T) {
	t.Parallel()
	one := says(t, "one")
	good := service("one", one) + route("a", "/a", "one")
	g := start(t, good).awaitReady()
	jwt := "jwt \"main\" {\n  json_web_key_set {\n    local {\n      filename = \"missing.json\"\n    }\n  }\n}\n"
	report, err := g.reload(good + jwt + route("b", "/b", "two") + route("c", "/c", "one", "jwt {\n    provider = \"main\"\n  }"))
	if err == nil || !strings.Contains(report.Diagnostics, `Error: jwt provider "main"`) {
		t.Errorf("refused with %v; diagnostics %q", err, report.Diagnostics)
	}
	var names []string
	for _, s := range g.set.Describe(time.Now()) {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"one"}) {
		t.Errorf("there are pools for %q", names)
	}
	if g.get("/a").body != "one" || g.get("/b").status != 404 {
		t.Error("the policies changed")
	}
}

func TestReloadKeepsBudgets(t *testing.T) {
	t.Parallel()
	one := says(t, "one")
	with := func(limit string) string {
		return limit + service("one", one) + route("a", "/a", "one", `limits = ["per_client"]`)
	}
	g := start(t, with(perClient(3, "client.ip"))).awaitReady()
	g.get("/a")
	if report := g.accept(with(perClient(3, "client.ip"))); len(report.Notes) > 0 {
		t.Errorf("nothing changed, and the notes are %q", report.Notes)
	}
	if n := g.spend("/a"); n != 2 {
		t.Errorf("%d requests passed after the reload, want the 2 that were left", n)
	}
	g.accept(with(perClient(5, "client.ip")))
	if n := g.spend("/a"); n != 2 {
		t.Errorf("%d requests passed after the burst was raised by 2", n)
	}
	report := g.accept(with(perClient(4, "route.name")))
	if want := []string{`limit "per_client" starts fresh: its algorithm, precision, scope or key changed`}; !slices.Equal(report.Notes, want) {
		t.Errorf("notes %q", report.Notes)
	}
	if n := g.spend("/a"); n != 4 {
		t.Errorf("%d requests passed with a fresh budget of 4", n)
	}
	if c := g.current.Load().limit("per_client").Counters; c.Allowed.Load() != 9 || c.Denied.Load() != 3 {
		t.Errorf("counted %d allowed and %d denied over all reloads, want 9 and 3", c.Allowed.Load(), c.Denied.Load())
	}
	report = g.accept(service("one", one) + route("a", "/a", "one"))
	if want := []string{`limit "per_client" was removed, its budgets are forgotten`}; !slices.Equal(report.Notes, want) {
		t.Errorf("notes %q", report.Notes)
	}
	g.accept(with(perClient(4, "route.name")))
	if n := g.spend("/a"); n != 4 {
		t.Errorf("%d requests passed after the limit came back, want a fresh budget of 4", n)
	}
}

func TestReloadReplacesStaticServices(t *testing.T) {
	t.Parallel()
	one, two := says(t, "one"), says(t, "two")
	g := start(t, service("s", one)+route("a", "/a", "s")).awaitReady()
	if a := g.get("/a"); a.body != "one" {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	g.accept(service("s", two) + route("a", "/a", "s"))
	eventually(t, "the new instance answers", func() bool { return g.get("/a").body == "two" })
	g.accept(route("a", "/a", "s"))
	eventually(t, "the service is gone", func() bool { return g.get("/a").status == 503 })
	if a := g.get("/a"); !strings.Contains(a.body, "service-not-registered") {
		t.Errorf("%s", a.body)
	}
}

// What needs a restart is compared with what runs, not with what was loaded
// last: it is told again as long as it differs, and no more when it does not.
func TestReloadTellsWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	rest := service("one", says(t, "one")) + route("a", "/a", "one")
	g := start(t, rest)
	other := "node_name = \"other\"\ndrain {\n  timeout = \"1s\"\n}\n" + rest
	for range 2 {
		if notes := g.accept(other).Notes; !slices.Equal(notes, []string{"restart needed: node_name changed", "restart needed: drain changed"}) {
			t.Errorf("notes %q", notes)
		}
	}
	if notes := g.accept(rest).Notes; len(notes) > 0 {
		t.Errorf("all is as it was at the start, and the notes are %q", notes)
	}
	if d := g.config.Drain.Timeout; d != 30*time.Second {
		t.Errorf("the drain that runs takes %v", d)
	}
}

func TestReloadChangesTheLogLevel(t *testing.T) {
	t.Parallel()
	g := start(t, "log_level = \"ERROR\"\n")
	part := g.Logger().Named("part")
	g.log.mu.Lock()
	g.log.b.Reset()
	g.log.mu.Unlock()
	g.accept("log_level = \"DEBUG\"\n")
	if !strings.Contains(g.log.String(), "configuration reloaded") {
		t.Error("the reload to a chattier level is not logged")
	}
	if !part.IsDebug() {
		t.Error("a part of the gateway has kept its level")
	}
	g.accept("log_level = \"ERROR\"\n")
	if part.IsInfo() {
		t.Error("a part of the gateway has kept its level")
	}
}
