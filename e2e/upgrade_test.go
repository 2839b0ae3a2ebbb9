//go:build e2e && unix

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// upgradable has routes with a limit by each algorithm that keeps something for
// longer than the test takes.
const upgradable = ordersRoute + `
limit "token_bucket" "bucket" {
  rate  = "6/h"
  burst = 6
  key   = [request.header["X-Who"]]
}
limit "sliding_window" "log" {
  limit     = 9
  window    = "1h"
  precision = "log"
  key       = [request.header["X-Who"]]
}
limit "fixed_window" "window" {
  limit  = 100
  window = "100d"
}
route "limited" {
  path_prefix = "/limited"
  service     = "orders"
  limits      = ["bucket", "log", "window"]
}
`

// as asks for a path as somebody, and wants a status.
func as(t *testing.T, g *harness.Gateway, who string, want int) {
	t.Helper()
	if a := g.Get("/limited", "X-Who: "+who); a.Status != want {
		t.Errorf("%s: %d %s, want %d", who, a.Status, a.Body, want)
	}
}

// gone waits for a process to end.
func gone(t *testing.T, p *process.Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(harness.Patience):
		t.Fatalf("process %d runs", p.PID())
	}
}

// TestUpgrade has one process after the other take over under load: no request
// fails, budgets go on, Consul never hears of it, and a WebSocket keeps its process.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 2, harness.Options{Policies: upgradable, ConsulBlock: "service {\n  name = \"edge\"\n}", Upgradable: true})
	for _, i := range w.orders {
		i.Handle("/orders/ws", tunnel)
	}
	passing := func() error {
		var entries []struct{ Service struct{ ID string } }
		if err := w.consul.Get(t.Context(), "/v1/health/service/edge?passing", &entries); err != nil {
			return err
		}
		if len(entries) != 1 {
			return fmt.Errorf("the catalog lists %d gateways", len(entries))
		}
		return nil
	}
	harness.Within(t, harness.Patience, "it is registered", passing)
	idle := &strict{address: w.gateway.Public} // waits over an upgrade with an open connection
	if err := idle.one(0); err != nil {
		t.Fatal(err)
	}
	load := press(t, w.gateway.Public)
	for range 4 {
		as(t, w.gateway, "ada", http.StatusOK)
	}
	for n := range 2 {
		load.more(t, 500)
		before := w.gateway.Upgrade()
		if n == 0 { // the new process serves a moment before the old one hears of it
			harness.Within(t, harness.Patience, "a connection that was idle meanwhile is told to leave", func() error {
				if err := idle.one(1); err != nil {
					t.Fatalf("a connection that was idle meanwhile: %v", err)
				}
				if idle.conn != nil {
					return errors.New("it is still open")
				}
				return nil
			})
		}
		load.more(t, 500)
		gone(t, before)
		if err := passing(); err != nil {
			t.Errorf("after upgrade %d: %v", n, err)
		}
		as(t, w.gateway, "ada", http.StatusOK)
	}
	as(t, w.gateway, "ada", http.StatusTooManyRequests)
	as(t, w.gateway, "bob", http.StatusOK)
	load.more(t, 500)

	conn, reader := openTunnel(t, w.gateway, "/orders/ws")
	say(t, conn, reader, "before")
	before := w.gateway.Upgrade()
	load.more(t, 500)
	// Whoever asks the admin API means the process that serves.
	harness.Within(t, harness.Patience, "the old process has left the admin API", func() error {
		for range 20 {
			if status, body, err := w.gateway.AdminGet("/v1/ready"); err != nil || status != http.StatusOK {
				return fmt.Errorf("ready: %d %s %w", status, body, err)
			}
		}
		return nil
	})
	say(t, conn, reader, "after")
	select {
	case <-before.Done():
		t.Error("the process that has the WebSocket is gone")
	default:
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
	failures, sent := load.finish()
	if len(failures) > 0 {
		t.Errorf("%d of %d requests failed:\n%s", len(failures), sent, strings.Join(failures, "\n"))
	}
	t.Logf("%d requests over three upgrades, %d failed", sent, len(failures))
	gone(t, before)
	if err := passing(); err != nil {
		t.Error(err)
	}
}

// TestUpgradeFails has a new process refuse its configuration: it says why, and the
// one before goes on, and can be upgraded once that is mended.
func TestUpgradeFails(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, harness.Options{Policies: upgradable, Upgradable: true})
	config := filepath.Join(w.gateway.Dir, "lictor.hcl")
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, append([]byte("node_number = 1\n"), good...))
	before := w.gateway.PID()
	w.gateway.SignalUpgrade()
	harness.Within(t, harness.Patience, "the reason is told", func() error {
		if !w.gateway.Log.Contains("no other process takes over") || !w.gateway.Log.Contains("node_number") {
			return fmt.Errorf("it says %s", w.gateway.Log)
		}
		return nil
	})
	as(t, w.gateway, "ada", http.StatusOK)
	if w.gateway.PID() != before {
		t.Error("another process serves")
	}
	write(t, config, good)

	// A limit that became another one starts fresh, the others go on.
	w.gateway.WritePolicies(strings.NewReplacer("token_bucket", "leaky_bucket", "burst", "capacity").Replace(upgradable))
	gone(t, w.gateway.Upgrade())
	logs(t, "it says what becomes of the limits", w.gateway, `limits_kept=["log", "window"] limits_fresh=["bucket"]`)
	as(t, w.gateway, "ada", http.StatusOK)
}

// TestUpgradeTooSoon: while the process before finishes what it has nobody takes over,
// and the log says who that is, for how long it may go on, and when it is gone.
func TestUpgradeTooSoon(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, harness.Options{Policies: ordersRoute, Upgradable: true, Config: "drain {\n  upgrade_timeout = \"5h\"\n}\n"})
	w.orders[0].Handle("/orders/ws", tunnel)
	conn, reader := openTunnel(t, w.gateway, "/orders/ws")
	say(t, conn, reader, "before")
	before := w.gateway.Upgrade()
	now := w.gateway.PID()

	w.gateway.SignalUpgrade()
	logs(t, "it says who is in the way", w.gateway, fmt.Sprintf("process %d, which served before, still finishes what it has for ", before.PID()))
	const then = " at most: wait for its end, which is logged, or send it SIGTERM; then send SIGUSR2 again"
	logs(t, "it says what to do", w.gateway, then)
	_, text, _ := strings.Cut(w.gateway.Log.String(), "still finishes what it has for ")
	text, _, _ = strings.Cut(text, then)
	if left, err := time.ParseDuration(text); err != nil || left <= 0 || left > 5*time.Hour {
		t.Errorf("it may go on for %q: %v", text, err)
	}
	if err := before.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	logs(t, "the process before says who is to be told", w.gateway, "another process has taken over already")
	say(t, conn, reader, "meanwhile")
	if w.gateway.PID() != now {
		t.Error("another process has taken over all the same")
	}

	if err := before.Signal(syscall.SIGTERM); err != nil { // it has been told to end by the upgrade
		t.Fatal(err)
	}
	gone(t, before)
	logs(t, "it says that it may be upgraded again", w.gateway, fmt.Sprintf("another one may take over from now on: process=%d", before.PID()))
	gone(t, w.gateway.Upgrade())
}
