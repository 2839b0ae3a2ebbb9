//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// atOnce returns a limit of so many requests in flight.
func atOnce(name string, n int, more string) string {
	return fmt.Sprintf("\nlimit \"concurrency\" %q {\n  max = %d\n  %s\n}\n", name, n, more)
}

// inFlight waits until so much is in flight under a limit.
func inFlight(t *testing.T, g *harness.Gateway, limit string, n float64) {
	t.Helper()
	harness.Within(t, harness.Patience, fmt.Sprintf("%v in flight under %s", n, limit), func() error {
		got, err := g.TryMetric("lictor_limit_in_flight", "limit="+limit)
		if err == nil && got != n {
			err = fmt.Errorf("%v are", got)
		}
		return err
	})
}

// A request in flight takes a place until its answer is complete, and whoever has
// read the answer finds the place free.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, atOnce("few", 2, "")+atOnce("quiet", 1, `mode = "permissive"`)+open("few", "few")+open("also", "few")+open("quiet", "quiet"))
	g := w.gateway
	gate := newGate(t, "/few/hold", w.orders...)
	_, answers := gate.hold(t, g, "/few/hold", 2)
	for _, path := range []string{"/few", "/also"} {
		a := g.Get(path)
		if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "1" ||
			a.Header.Get("RateLimit-Policy") != `"few";q=2;qu="concurrent-requests"` || a.Header.Get("RateLimit") != `"few";r=0` {
			t.Errorf("%s, one too many: %d with %v", path, a.Status, a.Header)
		}
		if p := a.Problem(t); !strings.HasSuffix(p.Type, "quota-exceeded") || !contains(a.Body, `"violated-policies":["few"]`) {
			t.Errorf("the problem is %s", a.Body)
		}
	}
	inFlight(t, g, "few", 2)

	// Over a reload they go on counting, by the number of the new generation.
	g.WritePolicies(atOnce("few", 3, "") + open("few", "few"))
	g.Reload()
	if a := g.Get("/few"); a.Status != http.StatusOK || a.Header.Get("RateLimit") != `"few";r=0` {
		t.Errorf("one more place: %d with %v", a.Status, a.Header)
	}
	g.WritePolicies(atOnce("few", 2, "") + open("few", "few"))
	g.Reload()
	if a := g.Get("/few"); a.Status != http.StatusTooManyRequests {
		t.Errorf("and less again: %d", a.Status)
	}
	gate.Open()
	for range 2 {
		if a := <-answers; a.Status != http.StatusOK {
			t.Errorf("what was held: %d", a.Status)
		}
	}
	for n := range 50 { // each on a connection of its own
		if a := g.Get("/few", "Connection: close"); a.Status != http.StatusOK || a.Header.Get("RateLimit") != `"few";r=1` {
			t.Fatalf("request %d, one after another: %d with %v", n, a.Status, a.Header)
		}
	}
	inFlight(t, g, "few", 0)
}

// However a request ends, its place is free afterwards.
func TestConcurrencyEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	policies := atOnce("one", 1, "") + open("one", "one") + strings.ReplaceAll(open("quick", "one"), "limits =", "timeout = \"100ms\"\n  limits =")
	w := newWorld(t, 1, policies)
	g := w.gateway
	w.orders[0].Handle("/one/ws", tunnel)
	w.orders[0].Handle("/one/hangup", hangUp)
	w.orders[0].Handle("/quick", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	sent := make(chan struct{}, 1)
	w.orders[0].Handle("/one/stream", func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprint(rw, "begun")
		_ = http.NewResponseController(rw).Flush()
		sent <- struct{}{}
		<-r.Context().Done()
	})
	refused := func(what string) {
		t.Helper()
		if a := g.Get("/one"); a.Status != http.StatusTooManyRequests {
			t.Errorf("%s: %d", what, a.Status)
		}
	}
	free := func(what string) {
		t.Helper()
		inFlight(t, g, "one", 0)
		if a := g.Get("/one"); a.Status != http.StatusOK {
			t.Errorf("after %s: %d", what, a.Status)
		}
	}

	conn, reader := openTunnel(t, g, "/one/ws")
	say(t, conn, reader, "hello")
	refused("while a tunnel is open")
	_ = conn.Close()
	free("the end of a tunnel")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL("/one/stream"), nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "the answer begins", sent)
	refused("while an answer is being sent")
	cancel()
	_ = response.Body.Close()
	free("a client that went away")

	for n, c := range []struct {
		path   string
		status int
	}{{"/one/hangup", 502}, {"/quick", 504}, {"/one/hangup", 502}} {
		if a := g.Get(c.path); a.Status != c.status {
			t.Errorf("request %d: %d, want %d", n, a.Status, c.status)
		}
		free(c.path)
	}
	conn = g.Dial()
	if _, err := io.WriteString(conn, "POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	inFlight(t, g, "one", 1)
	_ = conn.Close()
	free("a body that broke off")
}

// A limit that finds itself refuses with 503 what a service can't bear, and says
// what it has found.
func TestAdaptiveConcurrency(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, `
limit "adaptive_concurrency" "bearable" {
  min_limit     = 2
  initial_limit = 3
  max_limit     = 6
  short_window  = "20ms"
}
limit "adaptive_concurrency" "watched" {
  max_limit = 4
  mode      = "permissive"
  key       = [route.name]
}
`+limited("rate", 100_000, "client.ip", "")+open("bearable", "rate", "bearable")+open("watched", "watched"))
	g := w.gateway
	gate := newGate(t, "/bearable/hold", w.orders...)
	w.orders[0].Handle("/bearable/meet", inPairs())
	_, answers := gate.hold(t, g, "/bearable/hold", 3)
	a := g.Get("/bearable")
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "1" || strings.Contains(a.Header.Get("RateLimit"), "bearable") {
		t.Errorf("one too many: %d with %v", a.Status, a.Header)
	}
	if p := a.Problem(t); p.Type != "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity" || !contains(a.Body, `"violated-policies":["bearable"]`) {
		t.Errorf("the problem is %s", a.Body)
	}
	if n := g.Metric(t, "lictor_limit_decisions_total", "limit=bearable", "decision=denied"); n != 1 {
		t.Errorf("%v denied", n)
	}
	gate.Open()
	for range 3 {
		<-answers
	}

	// Two that meet at the instance use most of the limit, so it grows as far as it may.
	harness.Within(t, harness.Patience, "the limit grows", func() error {
		atATime(t, g, "/bearable/meet", 2)
		n, err := g.TryMetric("lictor_limit_adaptive", "limit=bearable", "key=orders")
		if err == nil && n < 4 {
			err = fmt.Errorf("it is %v", n)
		}
		return err
	})
	if n := g.Metric(t, "lictor_limit_rtt_seconds", "limit=bearable", "key=orders", "window=long"); n <= 0 || n > 10 {
		t.Errorf("answers take %v s", n)
	}

	open := newGate(t, "/watched/hold", w.orders...)
	_, answers = open.hold(t, g, "/watched/hold", 7) // 3 more than may be
	if n := g.Metric(t, "lictor_limit_decisions_total", "limit=watched", "decision=would_deny"); n != 3 {
		t.Errorf("%v would have been denied", n)
	}
	status, body, err := g.AdminGet("/v1/limits")
	var shown struct {
		Limits []struct {
			Name     string
			Unit     string
			InFlight *int64 `json:"in_flight"`
			Adaptive []struct {
				Key      string
				Limit    int64
				InFlight int64 `json:"in_flight"`
			}
		}
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &shown) != nil {
		t.Fatalf("limits: %d %v %s", status, err, body)
	}
	for _, l := range shown.Limits {
		switch l.Name {
		case "watched":
			if l.Unit != "concurrent-requests" || *l.InFlight != 7 || len(l.Adaptive) != 1 || l.Adaptive[0].Key != "watched" || l.Adaptive[0].InFlight != 7 || l.Adaptive[0].Limit != 4 {
				t.Errorf("%+v", l)
			}
		case "rate":
			if l.InFlight != nil || l.Adaptive != nil {
				t.Errorf("%+v", l)
			}
		}
	}
	open.Open()
	for range 7 {
		if a := <-answers; a.Status != http.StatusOK {
			t.Errorf("permissive: %d", a.Status)
		}
	}
	inFlight(t, g, "watched", 0)
}

// inPairs answers a request once another one is there, which is answered with it.
func inPairs() http.HandlerFunc {
	met := make(chan struct{})
	return func(_ http.ResponseWriter, r *http.Request) {
		select {
		case met <- struct{}{}:
		case <-met:
		case <-r.Context().Done():
		}
	}
}

// atATime sends n requests at the same time and waits for all answers.
func atATime(t *testing.T, g *harness.Gateway, path string, n int) {
	t.Helper()
	errs := make(chan error, n)
	for range n {
		go func() {
			a, err := g.Try(http.MethodGet, path, nil)
			if err == nil && a.Status != http.StatusOK && a.Status != http.StatusServiceUnavailable {
				err = fmt.Errorf("status %d", a.Status)
			}
			errs <- err
		}()
	}
	for range n {
		select {
		case err := <-errs:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(harness.Patience):
			t.Fatal("no answer")
		}
	}
}
