package agent

import (
	"context"
	"sync"
	"time"
)

// afterwards bounds the wait for exchanges whose connections were closed under
// them to notice it, and to be logged.
const afterwards = time.Second

// drain ends the gateway politely: readiness fails first, so that load balancers
// look away, then the listeners close, then what is in flight may finish within
// the bound. hurry ends it at once.
func (a *Agent) drain(hurry context.Context) {
	c := a.config.Drain
	if a.succeeded.Load() { // nobody has to look away, and nobody waits for the end
		c.Delay, c.Timeout = 0, c.UpgradeTimeout
	}
	a.ready.draining.Store(true)
	a.log.Info("draining", "delay", c.Delay, "timeout", c.Timeout, "in_flight", a.proxy.InFlight())
	wait(hurry, c.Delay)

	ctx, cancel := context.WithTimeout(hurry, c.Timeout)
	defer cancel()
	var wg sync.WaitGroup
	if a.succeeded.Load() {
		a.admin.retire()
	}
	for _, s := range a.servers {
		wg.Go(func() {
			if a.succeeded.Load() {
				s.retire(ctx)
			}
			if err := s.Shutdown(ctx); err != nil {
				a.log.Warn("listener closed with requests in flight", "listener", s.listener.Name, "error", err)
				_ = s.Close() // the error is the one above
			}
		})
	}
	wg.Wait()
	if !a.awaitIdle(ctx) {
		a.proxy.CloseTunnels()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
		defer cancel()
		a.awaitIdle(end)
	}
	a.log.Info("gateway stopped", "cut_off", a.proxy.InFlight())
}

// retire leaves new connections to the process that has taken over, and waits for
// clients to leave with their next answers, or by idle_timeout: to close a
// connection sooner could meet a request on its way.
func (s *server) retire(ctx context.Context) {
	s.Retire()
	s.ln.Close() // the other process has its own
	select {
	case <-s.shut: // whoever was let in last has been counted by now
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.listener.Open.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// awaitIdle waits for what is in flight, tunnels too, which have left the
// servers' care. It reports false when ctx ended first.
func (a *Agent) awaitIdle(ctx context.Context) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for a.proxy.InFlight() > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
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
