//go:build unix

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/lictor/lictor/e2e/process"
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

// Upgrade has another process take over and returns the one before, which may still
// run. From then on the gateway's Process is the new one.
func (g *Gateway) Upgrade() (before *process.Process) {
	g.t.Helper()
	before = g.process
	g.SignalUpgrade()
	Within(g.t, Patience, "another process takes over", func() error {
		if g.PID() == before.PID() {
			return fmt.Errorf("%d still serves", before.PID())
		}
		return nil
	})
	after, err := process.Attach("lictor", g.PID())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(after.Kill)
	g.process = after
	return before
}

// SignalUpgrade tells the process that serves to have another one take over.
func (g *Gateway) SignalUpgrade() {
	g.t.Helper()
	if err := syscall.Kill(g.PID(), syscall.SIGUSR2); err != nil {
		g.t.Fatal(err)
	}
}
