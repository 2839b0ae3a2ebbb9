package main

import (
	"context"
	"os"
	"time"

	"github.com/lictor/lictor/agent"
)

// lastWords is how long a gateway that was told twice to stop may take to write
// its logs and leave Consul.
const lastWords = time.Second

// gateway is what signals act on.
type gateway interface {
	Reload() (agent.ReloadReport, error)
	ReopenLogs(ctx context.Context)
	DumpTelemetry()
	// Upgrade reports whether another process has taken over.
	Upgrade() bool
}

// follow turns signals into deeds for as long as the process runs. The first
// context that it returns ends with the first request to stop, or when another
// process has taken over, the second with the next request. A reload or an upgrade
// may take seconds; a request to stop does not wait for it.
func follow(c <-chan os.Signal, g gateway) (ctx, hurry context.Context) {
	ctx, stop := context.WithCancel(context.Background())
	hurry, now := context.WithCancel(context.Background())
	// One that waits does what all of them meant.
	reload, dump, upgrade := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	go func() {
		for {
			select {
			case <-reload:
				g.ReopenLogs(hurry)
				_, _ = g.Reload() // it has logged what is wrong
			case <-dump:
				g.DumpTelemetry()
			case <-upgrade:
				if g.Upgrade() {
					stop()
				}
			}
		}
	}()
	go func() {
		for s := range c {
			switch what := meaning(s); {
			case what == reloadSignal:
				ask(reload)
			case what == dumpSignal:
				ask(dump)
			case what == upgradeSignal:
				ask(upgrade)
			case ctx.Err() == nil:
				stop()
			default:
				now()
				time.AfterFunc(lastWords, func() { os.Exit(exitFailed) })
			}
		}
	}()
	return ctx, hurry
}

func ask(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

type signalMeaning int

const (
	stopSignal signalMeaning = iota
	reloadSignal
	dumpSignal
	upgradeSignal
)
