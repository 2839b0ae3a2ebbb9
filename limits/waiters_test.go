package limits

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitersWaitTheirDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWaiters(2)
		start := time.Now()
		started, err := w.Wait(t.Context(), 3*time.Second)
		if !started || err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%t, %v after %s", started, err, time.Since(start))
		}
		if w.Waiting() != 0 {
			t.Errorf("%d are waiting", w.Waiting())
		}
	})
}

func TestNoDelayTakesNoPlace(t *testing.T) {
	w := NewWaiters(0)
	for _, delay := range []time.Duration{0, -1} {
		if started, err := w.Wait(t.Context(), delay); !started || err != nil {
			t.Errorf("%s: %t, %v", delay, started, err)
		}
	}
	if started, err := w.Wait(t.Context(), 1); started || !errors.Is(err, ErrTooManyWaiters) {
		t.Errorf("%t, %v", started, err)
	}
}

func TestWaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWaiters(3)
		var wg sync.WaitGroup
		var mu sync.Mutex
		passed, refused := 0, 0
		for range 10 {
			wg.Go(func() {
				started, err := w.Wait(t.Context(), time.Second)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case started && err == nil:
					passed++
				case !started && errors.Is(err, ErrTooManyWaiters):
					refused++
				default:
					t.Errorf("%t, %v", started, err)
				}
			})
		}
		synctest.Wait()
		if w.Waiting() != 3 {
			t.Errorf("%d are waiting", w.Waiting())
		}
		wg.Wait()
		if passed != 3 || refused != 7 || w.Waiting() != 0 {
			t.Errorf("%d passed, %d refused, %d are waiting", passed, refused, w.Waiting())
		}
	})
}

func TestWaitersRefuseWhatEndsTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWaiters(1)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if started, err := w.Wait(ctx, 5*time.Second); started || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%t, %v", started, err)
		}
		if time.Since(start) != 0 {
			t.Errorf("refused after %s", time.Since(start))
		}
		if started, err := w.Wait(ctx, 5*time.Second-1); !started || err != nil {
			t.Errorf("%t, %v", started, err)
		}
	})
}

func TestWaitersAreCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWaiters(1)
		cause := errors.New("the client went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		start := time.Now()
		if started, err := w.Wait(ctx, time.Hour); !started || !errors.Is(err, cause) {
			t.Errorf("%t, %v", started, err)
		}
		if time.Since(start) != time.Second || w.Waiting() != 0 {
			t.Errorf("after %s; %d are waiting", time.Since(start), w.Waiting())
		}
		if started, err := w.Wait(ctx, time.Hour); started || !errors.Is(err, cause) {
			t.Errorf("already cancelled: %t, %v", started, err)
		}
	})
}
