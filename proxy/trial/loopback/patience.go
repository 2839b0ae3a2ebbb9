package loopback

import (
	"context"
	"time"
)

// TB is what is needed of a test. It is here so that nothing that ships imports the
// package of tests.
type TB interface {
	Helper()
	Cleanup(f func())
	Context() context.Context
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Patience is how long a test waits for what must happen. It is never reached by a
// test that passes.
const Patience = time.Minute

// Eventually polls for what has no event to wait for.
func Eventually(t TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// Await returns what the channel brings.
func Await[T any](t TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Patience):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}
