//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// hup reloads by signal and waits until that generation serves.
func hup(t *testing.T, g *harness.Gateway, generation float64) {
	t.Helper()
	if err := g.Process().Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "the reload", func() error {
		now, err := g.TryMetric("lictor_generation")
		if err == nil && now != generation {
			err = fmt.Errorf("generation %v", now)
		}
		return err
	})
}

// An algorithm whose budgets take longer to come back than any test runs. CAPACITY
// stands for how much fits.
type slowAlgorithm struct{ name, block, attributes string }

var slowAlgorithms = []slowAlgorithm{
	{"tokens", "token_bucket", `rate = "1/h"
  burst = CAPACITY`},
	{"leak", "leaky_bucket", `rate = "1/h"
  capacity = CAPACITY`},
	{"fixed", "fixed_window", `window = "10000h"
  limit = CAPACITY`},
	{"aligned", "fixed_window", `window = "10000h"
  align = "key"
  limit = CAPACITY`},
	{"counter", "sliding_window", `window = "10000h"
  limit = CAPACITY`},
	{"log", "sliding_window", `window = "10000h"
  precision = "log"
  limit = CAPACITY`},
	{"buckets", "sliding_window", `window = "10000h"
  precision = "buckets"
  limit = CAPACITY`},
}

// limit returns the algorithm's block under a name.
func (s slowAlgorithm) limit(name string, capacity int) string {
	return fmt.Sprintf("\nlimit %q %q {\n  %s\n}\n", s.block, name, strings.ReplaceAll(s.attributes, "CAPACITY", fmt.Sprint(capacity)))
}

// What is used stays used over a reload: a client has no more afterwards than it
// had, and what the budget itself has grown by.
func TestSpentBudgetsStaySpentOverReloads(t *testing.T) {
	t.Parallel()
	const before = 5
	changes := []struct {
		name  string
		after int
	}{{"same", 5}, {"lower", 3}, {"higher", 9}}
	policies := func(capacity func(after int) int) string {
		var b strings.Builder
		for _, s := range slowAlgorithms {
			for _, c := range changes {
				name := s.name + "-" + c.name
				b.WriteString(s.limit(name, capacity(c.after)) + open(name, name))
			}
		}
		return b.String()
	}
	w := newWorldWith(t, 1, harness.Options{
		Listener: `trusted_proxies = ["127.0.0.0/8"]`,
		Policies: policies(func(int) int { return before }),
	})
	g := w.gateway
	all, some, none := from("192.0.2.1"), from("192.0.2.2"), from("192.0.2.3")
	each := func(f func(name, path string, after int)) {
		for _, s := range slowAlgorithms {
			for _, c := range changes {
				f(s.name+", "+c.name, "/"+s.name+"-"+c.name, c.after)
			}
		}
	}
	each(func(name, path string, _ int) {
		passes(t, name, before, g, path, all)
		for range 2 {
			accepted(t, name, g.Get(path, some))
		}
	})
	g.WritePolicies(policies(func(after int) int { return after }))
	hup(t, g, 2)
	each(func(name, path string, after int) {
		passes(t, name+", all spent", max(0, after-before), g, path, all)
		passes(t, name+", two spent", after-2, g, path, some)
		passes(t, name+", nothing spent", after, g, path, none)
	})
	// Back again: clamped to the lower capacity nobody had anything left, so what
	// comes back is the difference and no more.
	g.WritePolicies(policies(func(int) int { return before }))
	hup(t, g, 3)
	each(func(name, path string, after int) {
		for _, who := range []string{all, some, none} {
			passes(t, name+", back again, "+who, max(0, before-after), g, path, who)
		}
	})
	// Nothing was said to start afresh, since nothing did.
	for _, note := range []string{"starts fresh", "forgotten"} {
		if g.Log.Contains(note) {
			t.Errorf("the gateway logged %q", note)
		}
	}
}

// A limit that was gone, or is another one now, starts afresh, and the reload
// says so.
func TestFreshBudgetsAfterReloads(t *testing.T) {
	t.Parallel()
	kept := limited("kept", 2, "client.ip", "") + slowAlgorithms[4].limit("finer", 2) + open("finer", "finer")
	gone := open("kept", "kept") + limited("gone", 2, "client.ip", "") + open("gone", "gone")
	w := newWorld(t, 1, kept+gone+limited("changed", 2, "client.ip", "")+open("changed", "changed"))
	g := w.gateway
	for _, path := range []string{"/kept", "/gone", "/changed", "/finer"} {
		passes(t, path, 2, g, path)
	}
	reload := func(policies string, notes ...string) {
		t.Helper()
		g.WritePolicies(policies)
		r := g.Run("reload")
		if r.Code != 0 {
			t.Fatalf("lictor reload ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
		printed := r.Stdout + r.Stderr
		for _, note := range notes {
			if !strings.Contains(printed, note) {
				t.Errorf("the reload does not say %q:\n%s", note, printed)
			}
			logs(t, "the note", g, strings.ReplaceAll(note, `"`, `\"`))
		}
		if len(notes) == 0 && (strings.Contains(printed, "fresh") || strings.Contains(printed, "forgotten")) {
			t.Errorf("the reload says:\n%s", printed)
		}
	}

	// No route names the limit for a while, but there it is.
	reload(kept+limited("changed", 2, `client.ip, request.header["X-A"]`, "")+open("changed", "changed"),
		`limit "gone" was removed, its budgets are forgotten`, `limit "changed" starts fresh`)
	for _, path := range []string{"/kept", "/gone"} {
		if a := g.Get(path); a.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
	passes(t, "a changed key", 2, g, "/changed", "X-A: 1")

	// A refused reload forgets nothing.
	g.WritePolicies("limit \"token_bucket\" \"kept\" {\n  rate = \"often\"\n}\n")
	if r := g.Run("reload"); r.Code != 1 {
		t.Errorf("a bad policy: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	passes(t, "after a refused reload", 0, g, "/changed", "X-A: 1")

	reload(kept + gone + limited("changed", 2, `client.ip, request.header["X-A"]`, `headers = "off"`) + open("changed", "changed"))
	passes(t, "back after it was gone", 2, g, "/gone")
	passes(t, "back after no route named it", 0, g, "/kept")
	passes(t, "with other fields", 0, g, "/changed", "X-A: 1")

	reload(slowAlgorithms[1].limit("kept", 2)+gone+slowAlgorithms[5].limit("finer", 2)+open("finer", "finer"),
		`limit "kept" starts fresh`, `limit "finer" starts fresh`, `limit "changed" was removed`)
	passes(t, "by another algorithm", 2, g, "/kept")
	passes(t, "by another precision", 2, g, "/finer")
	passes(t, "beside them", 0, g, "/gone")
}
