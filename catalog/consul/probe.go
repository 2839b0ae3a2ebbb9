package consul

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	probeInterval = 500 * time.Millisecond
	probeTimeout  = 2 * time.Second
)

// probe asks, for all watches together, whether an agent that was unreachable
// is back: one small question every 500 ms, so that no watch sits out a long
// back-off after a short outage, and an agent that starts is not met by all
// watches again and again.
type probe struct {
	log  hclog.Logger
	ask  func(context.Context) error // nil when the agent can serve again
	back func()                      // wakes the watches
	need chan loss                   // capacity 1
}

// loss is why a watch got no answer.
type loss struct{ err error }

func newProbe(log hclog.Logger, ask func(context.Context) error, back func()) *probe {
	return &probe{log: log, ask: ask, back: back, need: make(chan loss, 1)}
}

// lost says that the agent gave a watch no answer. It does not block.
func (p *probe) lost(err error) {
	select {
	case p.need <- loss{err}:
	default:
	}
}

// run waits for a loss, then asks until the agent is back, until ctx is done.
func (p *probe) run(ctx context.Context) {
	for {
		var l loss
		select {
		case <-ctx.Done():
			return
		case l = <-p.need:
		}
		start := time.Now()
		p.log.Warn("agent unreachable, the last good catalog stays in force", "error", l.err)
		if !p.until(ctx) {
			return
		}
		// Losses reported meanwhile belong to this outage.
		select {
		case <-p.need:
		default:
		}
		p.log.Info("agent reachable", "duration", time.Since(start).Round(time.Millisecond))
		p.back()
	}
}

// until asks until the agent answers. It reports false when ctx is done first.
func (p *probe) until(ctx context.Context) bool {
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		one, cancel := context.WithTimeout(ctx, probeTimeout)
		err := p.ask(one)
		cancel()
		if err == nil {
			return true
		}
	}
}
