//go:build unix

package main

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/lictor/lictor/agent"
)

// slow is a gateway whose reloads take as long as a test wants.
type slow struct {
	reloading chan struct{} // one for each that has begun
	release   chan struct{}
	dumped    chan struct{}
	reopened  chan struct{}
	upgraded  chan bool // what the upgrades that were asked for come to
}

func (s *slow) Reload() (agent.ReloadReport, error) {
	s.reloading <- struct{}{}
	<-s.release
	return agent.ReloadReport{}, nil
}

func (s *slow) ReopenLogs(context.Context) { s.reopened <- struct{}{} }
func (s *slow) DumpTelemetry()             { s.dumped <- struct{}{} }
func (s *slow) Upgrade() bool              { return <-s.upgraded }

// A request to stop is obeyed while a reload is under way, and of the reloads
// that were asked for meanwhile one is enough.
func TestSignals(t *testing.T) {
	t.Parallel()
	g := &slow{make(chan struct{}, 9), make(chan struct{}), make(chan struct{}, 9), make(chan struct{}, 9), nil}
	c := make(chan os.Signal)
	ctx, hurry := follow(c, g)
	c <- syscall.SIGUSR1
	<-g.dumped
	c <- syscall.SIGHUP
	<-g.reloading
	for range 3 {
		c <- syscall.SIGHUP
	}
	c <- syscall.SIGTERM
	<-ctx.Done()
	if hurry.Err() != nil {
		t.Error("one request to stop is no hurry")
	}
	close(g.release)
	<-g.reloading
	c <- syscall.SIGUSR1
	<-g.dumped
	if n := len(g.reloading); n != 0 {
		t.Errorf("%d more reloads", n)
	}
	if n := len(g.reopened); n != 2 {
		t.Errorf("logs were reopened %d times", n)
	}
}

// Once another process has taken over the gateway ends; not before.
func TestUpgradeSignal(t *testing.T) {
	t.Parallel()
	g := &slow{dumped: make(chan struct{}, 9), upgraded: make(chan bool)}
	c := make(chan os.Signal)
	ctx, hurry := follow(c, g)
	c <- syscall.SIGUSR2
	g.upgraded <- false
	c <- syscall.SIGUSR1
	<-g.dumped
	if ctx.Err() != nil {
		t.Error("it ends although nobody took over")
	}
	c <- syscall.SIGUSR2
	g.upgraded <- true
	<-ctx.Done()
	if hurry.Err() != nil {
		t.Error("there is no hurry")
	}
}
