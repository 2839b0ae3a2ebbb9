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

// Within asks check again and again until it returns nil, and fails the test
// when it has not within d.
func Within(t testing.TB, d time.Duration, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	err := process.Until(ctx, nil, func(context.Context) error { return check() })
	if err != nil {
		t.Fatalf("%s: not within %v: %v", what, d, err)
	}
}
