package limits

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// ErrTooManyWaiters says that the gateway has as many delayed requests as it
// may.
var ErrTooManyWaiters = errors.New("too many requests are waiting for their turn")

// Waiters bounds how many delayed requests wait at once, over all limiters that
// delay. What waits holds a connection and memory, so without a bound a queue in
// front of every key would be a way to exhaust the gateway.
type Waiters struct {
	most int64
	now  atomic.Int64
}

// NewWaiters lets most requests wait at once; with 0 or less, none.
func NewWaiters(most int) *Waiters { return &Waiters{most: int64(most)} }

// Wait returns nil once the delay has passed. A delay of 0 or less passes at
// once and takes no place.
//
// It refuses at once, with ErrTooManyWaiters, if there is no place, and with
// context.DeadlineExceeded if the deadline of ctx comes no later than the end of
// the delay: such a request has not begun to wait, so give back what its limiters
// charged. If ctx ends during the wait, Wait returns its cause; nothing is to be
// given back then, because the turn was kept for this request and others have
// been told to come later.
//
// Started says whether the wait began.
func (w *Waiters) Wait(ctx context.Context, delay time.Duration) (started bool, err error) {
	if delay <= 0 {
		return true, nil
	}
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return false, context.DeadlineExceeded
	}
	if w.now.Add(1) > w.most {
		w.now.Add(-1)
		return false, ErrTooManyWaiters
	}
	defer w.now.Add(-1)
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true, nil
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
}

// Full reports whether there is no place at the moment.
func (w *Waiters) Full() bool { return w.now.Load() >= w.most }

// Waiting counts the requests that wait at the moment.
func (w *Waiters) Waiting() int { return int(w.now.Load()) }
