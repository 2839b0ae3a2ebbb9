package harness

import (
	"context"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

// Patience is how long a test waits for what has no promised time. It is long
// for the sake of busy machines and costs nothing where all is well.
const Patience = 30 * time.Second

// Prompt is the promised time from a change in Consul to its effect on traffic.
const Prompt = time.Second

// beat is the unit that Within counts time in.
const beat = 10 * time.Millisecond

// Within asks check again and again until it returns nil, and fails the test
// when it has not within d. Time counts while the machine lets this program run:
// when it stands still for two seconds, one beat has passed.
func Within(t testing.TB, d time.Duration, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() {
		ticker := time.NewTicker(beat) // which drops those that nobody is there to take
		defer ticker.Stop()
		for range max(d/beat, 1) {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
		cancel(context.DeadlineExceeded)
	}()
	err := process.Until(ctx, nil, func(context.Context) error { return check() })
	if err != nil {
		t.Fatalf("%s: not within %v: %v", what, d, err)
	}
}
