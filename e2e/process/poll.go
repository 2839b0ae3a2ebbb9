package process

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Until asks check again and again, a little less often each time up to every
// 50 ms, until it returns nil, ctx ends or the process p (may be nil) has ended.
// The error then carries the last answer.
func Until(ctx context.Context, p *Process, check func(context.Context) error) error {
	var ended <-chan struct{}
	if p != nil {
		ended = p.Done()
	}
	wait := 2 * time.Millisecond
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last error
	for {
		select {
		case <-timer.C:
		case <-ended:
			return fmt.Errorf("%s ended: %w; last answer: %w", p.name, orExitZero(p.Err()), orNone(last))
		case <-ctx.Done():
			return fmt.Errorf("%w; last answer: %w", context.Cause(ctx), orNone(last))
		}
		if last = check(ctx); last == nil {
			return nil
		}
		timer.Reset(wait)
		wait = min(wait*2, 50*time.Millisecond)
	}
}

func orNone(err error) error {
	if err == nil {
		return errors.New("none")
	}
	return err
}

func orExitZero(err error) error {
	if err == nil {
		return errors.New("exit code 0")
	}
	return err
}
