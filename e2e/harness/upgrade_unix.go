//go:build unix

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func (g *Gateway) pidFile() string { return filepath.Join(g.Dir, "lictor.pid") }

// PID returns the number of the process that serves, of an Upgradable gateway.
func (g *Gateway) PID() int {
	g.t.Helper()
	text, err := os.ReadFile(g.pidFile())
	if err != nil {
		g.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		g.t.Fatal(err)
	}
	return pid
}

// Upgrade has another process take over and returns the number of the one before,
// which may still run.
func (g *Gateway) Upgrade() (before int) {
	g.t.Helper()
	before = g.PID()
	g.SignalUpgrade()
	Within(g.t, Patience, "another process takes over", func() error {
		if g.PID() == before {
			return fmt.Errorf("%d still serves", before)
		}
		return nil
	})
	after := g.PID()
	g.t.Cleanup(func() { _ = syscall.Kill(after, syscall.SIGKILL) }) // it may have ended
	return before
}

// SignalUpgrade tells the process that serves to have another one take over.
func (g *Gateway) SignalUpgrade() {
	g.t.Helper()
	if err := syscall.Kill(g.PID(), syscall.SIGUSR2); err != nil {
		g.t.Fatal(err)
	}
}

// Gone reports whether a process has ended.
func Gone(pid int) bool { return syscall.Kill(pid, 0) != nil }
