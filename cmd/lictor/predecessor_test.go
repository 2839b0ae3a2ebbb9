package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// old is a process before, which ends when a test says so.
type old struct{ ended chan struct{} }

func (o old) WaitForParent(ctx context.Context) error {
	select {
	case <-o.ended:
		return errors.New("it crashed") // which is an end, too
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestPredecessor says who keeps others from taking over, and for how long yet, until
// it is gone.
func TestPredecessor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		o := old{make(chan struct{})}
		p := followPredecessor(t.Context(), o, time.Hour, hclog.New(&hclog.LoggerOptions{Output: &log}))
		me := strconv.Itoa(os.Getppid())
		for _, step := range []struct {
			after time.Duration
			want  string
		}{
			{0, "process " + me + ", which served before, still finishes what it has for 59m59s at most: wait for its end, which is logged, or send it SIGTERM; then send SIGUSR2 again"},
			{20 * time.Minute, "for 39m58s at most:"},
			{time.Hour, "for 0s at most:"},
		} {
			time.Sleep(step.after)
			began := time.Now()
			err := p.await(grace)
			if err == nil || !strings.Contains(err.Error(), step.want) || time.Since(began) != grace {
				t.Errorf("after %v: %v within %v", step.after, err, time.Since(began))
			}
		}
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("it is logged before its time: %s", &log)
		}
		// Whoever has seen it end may be quicker than we are.
		time.AfterFunc(grace/2, func() { close(o.ended) })
		if err := p.await(grace); err != nil {
			t.Error(err)
		}
		if err := p.await(0); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "another one may take over from now on: process="+me) {
			t.Errorf("it is not logged: %s", &log)
		}
	})
}

// One that tells nothing is waited for all the same, and nobody is told of an end that
// comes with ours.
func TestPredecessorThatTellsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		ctx, cancel := context.WithCancel(t.Context())
		p := followPredecessor(ctx, old{}, 0, hclog.New(&hclog.LoggerOptions{Output: &log}))
		if err := p.await(0); err == nil || !strings.Contains(err.Error(), "finishes what it has: wait") {
			t.Errorf("%v", err)
		}
		cancel()
		synctest.Wait()
		if err := p.await(0); err == nil || log.Len() > 0 {
			t.Errorf("%v, %s", err, &log)
		}
	})
}
