package certs

import (
	"context"
	"time"
)

// every is how often files are looked at. It is a few small reads for each
// certificate.
const every = 2 * time.Second

// Watch calls look, at once and then every 2 seconds, until ctx is done.
func Watch(ctx context.Context, look func(now time.Time)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		look(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
