//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// together sends n requests at once and counts the answers by status.
func together(t *testing.T, g *harness.Gateway, path string, n int, fields ...string) map[int]int {
	t.Helper()
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			a, err := g.Try(http.MethodGet, path, nil, fields...)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[a.Status]++
		})
	}
	wg.Wait()
	return statuses
}

// However many come at once, as many pass as the budget holds, no fewer and no
// more, and of several limits every one is charged for just those that passed.
func TestBurstsAreCountedExactly(t *testing.T) {
	t.Parallel()
	const capacity, crowd = 7, 40
	var policies strings.Builder
	for _, s := range slowAlgorithms {
		policies.WriteString(s.limit(s.name, capacity) + s.limit(s.name+"-wide", capacity+5) +
			open(s.name, s.name) + open(s.name+"-both", s.name+"-wide", s.name) + open(s.name+"-wide", s.name+"-wide"))
	}
	w := newWorldWith(t, 1, harness.Options{Listener: `trusted_proxies = ["127.0.0.0/8"]`, Policies: policies.String()})
	want := fmt.Sprint(map[int]int{http.StatusOK: capacity, http.StatusTooManyRequests: crowd - capacity})
	for _, s := range slowAlgorithms {
		for _, who := range []string{"192.0.2.1", "192.0.2.2"} {
			if got := fmt.Sprint(together(t, w.gateway, "/"+s.name, crowd, from(who))); got != want {
				t.Errorf("%s: %d at once from %s got %s, want %s", s.name, crowd, who, got, want)
			}
		}
		if got := fmt.Sprint(together(t, w.gateway, "/"+s.name+"-both", crowd, from("192.0.2.3"))); got != want {
			t.Errorf("%s beside a wider one: %d at once got %s, want %s", s.name, crowd, got, want)
		}
		passes(t, s.name+", left of the wider one", 5, w.gateway, "/"+s.name+"-wide", from("192.0.2.3"))
		for decision, n := range map[string]float64{"allowed": 3 * capacity, "denied": 3 * (crowd - capacity)} {
			if got := w.gateway.Metric(t, "lictor_limit_decisions_total", "limit="+s.name, "decision="+decision); got != n {
				t.Errorf("%s: %v %s, want %v", s.name, got, decision, n)
			}
		}
	}
	if served, want := w.orders[0].Served(), int64(len(slowAlgorithms)*(3*capacity+5)); served != want {
		t.Errorf("%d requests reached the instance, want %d", served, want)
	}
}

// Whoever waits as long as Retry-After says gets through, and is not told to wait
// for longer than it takes.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	type quick struct {
		name, block string
		most        int // seconds that Retry-After may say
	}
	all := []quick{
		{"tokens", "limit \"token_bucket\" NAME {\n rate = \"1/s\"\n burst = 2\n}", 1},
		{"leak", "limit \"leaky_bucket\" NAME {\n rate = \"1/s\"\n}", 1},
		{"queue", "limit \"leaky_bucket\" NAME {\n rate = \"1/s\"\n queue = 1\n immediate = 1\n}", 1},
		{"fixed", "limit \"fixed_window\" NAME {\n window = \"2s\"\n limit = 3\n}", 2},
		{"aligned", "limit \"fixed_window\" NAME {\n window = \"2s\"\n limit = 3\n align = \"key\"\n}", 2},
		{"counter", "limit \"sliding_window\" NAME {\n window = \"1s\"\n limit = 3\n}", 2},
		{"log", "limit \"sliding_window\" NAME {\n window = \"1s\"\n limit = 3\n precision = \"log\"\n}", 1},
		{"buckets", "limit \"sliding_window\" NAME {\n window = \"1s\"\n limit = 3\n precision = \"buckets\"\n}", 2},
	}
	var policies strings.Builder
	for _, q := range all {
		policies.WriteString("\n" + strings.ReplaceAll(q.block, "NAME", strconv.Quote(q.name)) + open(q.name, q.name))
	}
	w := newWorld(t, 1, policies.String())
	var wg sync.WaitGroup
	for _, q := range all {
		wg.Go(func() {
			refused := harness.Answer{}
			for n := 0; refused.Status != http.StatusTooManyRequests; n++ {
				var err error
				if refused, err = w.gateway.Try(http.MethodGet, "/"+q.name, nil); err != nil || n == 1000 {
					t.Errorf("%s: request %d passed: %v", q.name, n, err)
					return
				}
			}
			seconds, err := strconv.Atoi(refused.Header.Get("Retry-After"))
			if err != nil || seconds < 1 || seconds > q.most {
				t.Errorf("%s: Retry-After is %q, want 1 to %d", q.name, refused.Header.Get("Retry-After"), q.most)
				return
			}
			// What a well-behaved client does.
			select {
			case <-time.After(time.Duration(seconds) * time.Second):
			case <-t.Context().Done():
			}
			if a, err := w.gateway.Try(http.MethodGet, "/"+q.name, nil); err != nil || a.Status != http.StatusOK {
				t.Errorf("%s: after the %d s that Retry-After said: %d %v, RateLimit %q", q.name, seconds, a.Status, err, a.Header.Get("RateLimit"))
			}
		})
	}
	wg.Wait()
}

// A window that ends gives the whole budget back, at the same moment to everyone.
func TestFixedWindowsEnd(t *testing.T) {
	t.Parallel()
	const window = 500 * time.Millisecond
	w := newWorldWith(t, 1, harness.Options{
		Listener: `trusted_proxies = ["127.0.0.0/8"]`,
		Policies: "limit \"fixed_window\" \"short\" {\n window = \"500ms\"\n limit = 3\n}\n" + open("short", "short"),
	})
	// The gateway reads the same clock. Only what began and ended in one window,
	// well within it, can be counted: on a busy machine that takes some tries.
	const edge = 20 * time.Millisecond
	index := func(shift time.Duration) int64 { return time.Now().Add(shift).UnixNano() / int64(window) }
	spent := 0
	harness.Within(t, harness.Patience, "three windows were spent, each within itself", func() error {
		begun := index(-edge)
		var counts []int
		for _, who := range []string{"192.0.2.1", "192.0.2.2"} {
			n := 0
			for ; n < 50; n++ {
				if a := w.gateway.Get("/short", from(who)); a.Status != http.StatusOK {
					break
				}
			}
			counts = append(counts, n)
		}
		if index(edge) != begun {
			return fmt.Errorf("the window ended meanwhile")
		}
		switch {
		case slices.Equal(counts, []int{3, 3}):
			spent++
		case slices.Max(counts) > 3: // fewer are what an earlier try has left
			t.Errorf("within one window %v requests passed, want 3 each", counts)
		}
		if spent < 3 {
			return fmt.Errorf("%d were", spent)
		}
		return nil
	})
}

// A bucket with a queue holds back what comes too early, in turn, and refuses what
// finds no place.
func TestQueueingDelays(t *testing.T) {
	t.Parallel()
	const queue, crowd, spacing = 3, 8, 200 * time.Millisecond
	w := newWorld(t, 1, `
limit "leaky_bucket" "shaped" {
  rate  = "5/s"
  queue = 3
}
limit "leaky_bucket" "slow" {
  rate  = "1/h"
  queue = 5
}
route "slow" {
  path_prefix = "/slow"
  service     = "orders"
  limits      = ["slow"]
  timeout     = "20s"
}
`+open("shaped", "shaped"))
	var mu sync.Mutex
	var arrived []time.Duration
	begun := time.Now()
	w.orders[0].Handle("/shaped", func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		arrived = append(arrived, time.Since(begun))
	})
	statuses := together(t, w.gateway, "/shaped", crowd)
	elapsed := time.Since(begun)
	passed := statuses[http.StatusOK]
	// One passes at once, as many as the queue holds wait, and for each spacing
	// that the crowd took to arrive there was room for one more.
	if most := queue + 1 + int(elapsed/spacing); passed < queue+1 || passed > most || passed+statuses[http.StatusTooManyRequests] != crowd {
		t.Errorf("%d at once got %v within %v, want %d to %d to pass", crowd, statuses, elapsed, queue+1, most)
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(arrived)
	for n, after := range arrived {
		if least := time.Duration(n) * spacing; after < least {
			t.Errorf("request %d reached the instance %v after the first was sent, want at least %v", n, after, least)
		}
	}
	decided := func(decision string) float64 {
		return w.gateway.Metric(t, "lictor_limit_decisions_total", "limit=shaped", "decision="+decision)
	}
	// Nor does more than one for each spacing pass without having waited.
	if got, atOnce := decided("allowed")+decided("delayed"), float64(1+elapsed/spacing); got != float64(passed) || decided("allowed") > atOnce {
		t.Errorf("%v were counted as allowed and %v as delayed, of %d, within %v", decided("allowed"), decided("delayed"), passed, elapsed)
	}

	// Nobody is made to wait for a turn that comes after the route's timeout.
	passes(t, "a queue longer than the timeout", 1, w.gateway, "/slow")
	a := w.gateway.Get("/slow")
	if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || seconds < 3500 || seconds > 3600 {
		t.Errorf("Retry-After is %q, want most of an hour", a.Header.Get("Retry-After"))
	}
}

// Before there is a route, and so a timeout, nobody waits for hours either.
func TestGatewayQueuesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute+`
limit "leaky_bucket" "slow" {
  rate  = "1/h"
  queue = 100
}
gateway {
  limits = ["slow"]
}
`)
	for _, path := range []string{"/orders", "/nothing"} {
		passes(t, path, map[string]int{"/orders": 1}[path], w.gateway, path)
	}
}
