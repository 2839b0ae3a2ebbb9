package agent

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// monitorFrom reads the gateway's log over the admin API, line by line.
func (g *gateway) monitorFrom(ctx context.Context, query string, fields ...string) (*http.Response, *bufio.Reader) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.admin.addr.String()+"/v1/monitor"+query, http.NoBody)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	resp, err := fresh.RoundTrip(r)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
}

// Readers get lines from their level on, and no more of them than the bound.
func TestMonitor(t *testing.T) {
	t.Parallel()
	g := start(t, service("s", says(t, "s"))+route("s", "/", "s")).awaitReady()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, all := g.monitorFrom(ctx, "?log_level=debug")
	_, some := g.monitorFrom(ctx, "")
	eventually(t, "both listen", func() bool { return g.admin.monitors.Load() == 2 })
	g.Agent.log.Debug("first")
	g.Agent.log.Named("part").Warn("second", "why", "because")
	const first, second = "[DEBUG] lictor: first\n", "[WARN]  lictor.part: second: why=because\n"
	for r, want := range map[*bufio.Reader][]string{all: {first, second}, some: {second}} {
		var got []string
		for !slices.Contains(got, second) {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("%q, then %v", got, err)
			}
			if _, line, _ = strings.Cut(line, " "); line == first || line == second { // what the gateway says meanwhile is its own
				got = append(got, line)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for range maxMonitors - 2 {
		g.monitorFrom(ctx, "")
	}
	if resp, _ := g.monitorFrom(ctx, ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one too many: %s", resp.Status)
	}
	if resp, _ := g.monitorFrom(ctx, "?log_level=loud"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a level that is none: %s", resp.Status)
	}
	cancel()
	eventually(t, "nobody listens", func() bool { return g.admin.monitors.Load() == 0 })
}

// A reader who does not read holds nobody up, and is told what he missed.
func TestMonitorDrops(t *testing.T) {
	m := &monitor{lines: make(chan []byte, 2)}
	for range 5 {
		if n, err := m.Write([]byte("x\n")); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	if m.dropped.Load() != 3 || len(m.lines) != 2 {
		t.Errorf("%d dropped, %d kept", m.dropped.Load(), len(m.lines))
	}
}
