package jwt

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pauses between failed fetches, which double from the least to the most.
const (
	leastRetry = time.Second
	mostRetry  = time.Minute
)

// remoteKeeper keeps a provider's keys as a URL has them.
type remoteKeeper struct {
	p      *Provider
	fetch  func(ctx context.Context) ([]byte, error)
	failed int  // in a row
	tried  bool // at least once
}

// load fetches the keys and installs them.
func (k *remoteKeeper) load(ctx context.Context) (changed bool, err error) {
	k.p.demand.begin()
	defer k.p.demand.done()
	k.tried = true
	raw, err := k.fetch(ctx)
	if err == nil {
		changed, err = k.p.install(raw)
	}
	if err != nil {
		k.failed++
		return false, err
	}
	k.failed = 0
	return changed, nil
}

// pause returns how long to wait before the next fetch: the keys are fetched
// again before they are too old, not at the same time as by other gateways.
// share is from 0 to 1.
func (k *remoteKeeper) pause(share float64) time.Duration {
	switch most := k.p.Spec.CacheDuration; {
	case !k.tried:
		return 0
	case k.failed > 0:
		d := min(leastRetry<<min(k.failed-1, 10), mostRetry, most)
		return d/2 + time.Duration(share*float64(d/2))
	default:
		return most*3/4 + time.Duration(share*float64(most/8))
	}
}

// run fetches the keys when they grow old and when tokens ask for them, until ctx
// is done. A failure changes nothing.
func (k *remoteKeeper) run(ctx context.Context, report func(changed bool, err error)) {
	asked := k.p.demand.serve()
	defer k.p.demand.quit()
	for {
		t := time.NewTimer(k.pause(rand.Float64())) //nolint:gosec // spreads load, hides nothing
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		case <-asked:
			t.Stop()
		}
		changed, err := k.load(ctx)
		if ctx.Err() != nil {
			return
		}
		report(changed, err)
	}
}
