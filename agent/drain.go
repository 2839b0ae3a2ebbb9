package agent

import (
	"context"
	"sync"
	"time"
)

// drain ends the gateway politely: readiness fails first, so that load balancers
// look away, then the listeners close, then what is in flight may finish within
// the bound. hurry ends it at once.
func (a *Agent) drain(hurry context.Context) {
	c := a.current.Load().config.Drain
	a.ready.draining.Store(true)
	a.log.Info("draining", "delay", c.Delay, "timeout", c.Timeout, "in_flight", a.proxy.InFlight())
	wait(hurry, c.Delay)

	ctx, cancel := context.WithTimeout(hurry, c.Timeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range a.servers {
		wg.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				a.log.Warn("listener closed with requests in flight", "listener", s.listener.Name, "error", err)
				s.Close()
			}
		})
	}
	wg.Wait()
	a.awaitTunnels(ctx)
	a.log.Info("gateway stopped", "cut_off", a.proxy.InFlight())
}

// awaitTunnels waits for the connections that have left the servers' care.
func (a *Agent) awaitTunnels(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for a.proxy.InFlight() > 0 {
		select {
		case <-ctx.Done():
			a.proxy.CloseTunnels()
			return
		case <-tick.C:
		}
	}
}

// wait returns after d or when ctx is done.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
