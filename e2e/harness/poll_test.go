package harness

import (
	"errors"
	"testing"
	"time"
)

// failing is a test that notes that it failed.
type failing struct {
	testing.TB
	failed chan struct{}
}

func (f failing) Fatalf(string, ...any) { close(f.failed) }

func TestWithinEnds(t *testing.T) {
	f := failing{t, make(chan struct{})}
	asked := 0
	Within(f, 5*beat, "what never is", func() error { asked++; return errors.New("not yet") })
	<-f.failed
	if asked < 2 {
		t.Errorf("asked %d times", asked)
	}
	f.failed = make(chan struct{})
	Within(f, time.Hour, "what is", func() error { return nil })
	select {
	case <-f.failed:
		t.Error("what is, failed")
	default:
	}
}
