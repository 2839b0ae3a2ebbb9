package tracing

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// collector is an exporter that does what it is told.
type collector struct {
	mu     sync.Mutex
	got    []int // spans of each export that went well
	calls  int
	answer func(ctx context.Context, call int) error
	down   bool
}

func (c *collector) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.answer != nil {
		if err := c.answer(ctx, c.calls); err != nil {
			return err
		}
	}
	c.got = append(c.got, len(spans))
	return nil
}

func (c *collector) Shutdown(context.Context) error {
	c.down = true
	return nil
}

func later(why string) error { return &uploadError{err: errors.New(why), again: true} }

// started runs a queue of the size, in a bubble of synctest. stop ends it and waits.
func started(t *testing.T, size int, c *collector) (q *queue, log *bytes.Buffer, stop func()) {
	t.Helper()
	log = &bytes.Buffer{}
	q = newQueue(Options{Exporter: c, Queue: size, Timeout: 5 * time.Second, Logger: hclog.New(&hclog.LoggerOptions{Output: log})})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.run(ctx, 3*time.Second)
	}()
	return q, log, func() { cancel(); <-done }
}

func add(q *queue, n int) {
	for range n {
		q.OnEnd(tracetest.SpanStub{Name: "x"}.Snapshot())
	}
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		q, log, stop := started(t, 4000, c)
		add(q, 3)
		time.Sleep(linger + time.Millisecond)
		synctest.Wait()
		if len(c.got) != 1 || c.got[0] != 3 {
			t.Errorf("after a while %v were exported", c.got)
		}
		add(q, mostSpans+5) // a whole batch does not linger
		synctest.Wait()
		if len(c.got) != 2 || c.got[1] != mostSpans {
			t.Errorf("a whole batch: %v", c.got)
		}
		stop()
		if len(c.got) != 3 || c.got[2] != 5 || !c.down {
			t.Errorf("at the end: %v, shut down %v", c.got, c.down)
		}
		if n := q.counts(); n != (Counts{Exported: mostSpans + 8}) || log.Len() > 0 {
			t.Errorf("%+v, logged %s", n, log)
		}
	})
}

// TestDeadCollector: nobody waits for it, what does not fit is counted, one line is
// logged, and when it is back it gets what was kept.
func TestDeadCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := true
		c := &collector{}
		c.answer = func(context.Context, int) error {
			if dead {
				return later("nobody is there")
			}
			return nil
		}
		q, log, stop := started(t, 10, c)
		add(q, 1)
		time.Sleep(linger + time.Millisecond)
		add(q, 25)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if n := q.counts(); n.Dropped != 15 || n.Exported != 0 || n.Failed != 0 {
			t.Errorf("%+v", n)
		}
		if got := strings.Count(log.String(), "[WARN]"); got != 1 || !strings.Contains(log.String(), "nobody is there") {
			t.Errorf("logged %s", log)
		}
		c.mu.Lock()
		dead = false
		c.mu.Unlock()
		time.Sleep(longestWait + linger + time.Second)
		synctest.Wait()
		if n := q.counts(); n.Exported != 11 || n.Dropped != 15 || n.Failed != 0 {
			t.Errorf("%+v", n)
		}
		if !strings.Contains(log.String(), "traces are exported again") {
			t.Errorf("logged %s", log)
		}
		stop()
	})
}

// TestPatienceEnds: a batch that can't be exported is given up, at once when the
// collector does not want it.
func TestPatienceEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		calls func(int) bool
	}{
		{"for good", &uploadError{err: errors.New("bad request")}, func(n int) bool { return n == 1 }},
		{"for a minute", later("down"), func(n int) bool { return n > 3 && n < 20 }},
		{"longer than that", &uploadError{err: errors.New("later"), again: true, after: time.Hour}, func(n int) bool { return n == 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &collector{answer: func(context.Context, int) error { return c.err }}
				q, log, stop := started(t, 10, to)
				add(q, 2)
				time.Sleep(patience + linger + time.Second)
				synctest.Wait()
				if n := q.counts(); n.Failed != 2 || !c.calls(to.calls) || strings.Count(log.String(), "[WARN]") != 1 {
					t.Errorf("%+v after %d calls, logged %s", n, to.calls, log)
				}
				stop()
			})
		})
	}
}

// TestSlowCollector is told to be in time, and not waited for at the end.
func TestSlowCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return later("too slow")
		}}
		q, _, stop := started(t, 2000, c)
		add(q, 1500)
		time.Sleep(time.Second)
		before := time.Now()
		stop()
		if took := time.Since(before); took > 3*time.Second {
			t.Errorf("the end took %v", took)
		}
		if n := q.counts(); n.Failed != 1500 {
			t.Errorf("%+v", n)
		}
	})
}

func TestPartialSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answer: func(context.Context, int) error { return &partialError{rejected: 2, message: "too long"} }}
		q, log, stop := started(t, 10, c)
		add(q, 5)
		stop()
		if n := q.counts(); n.Failed != 2 || n.Exported != 3 || !strings.Contains(log.String(), "too long") {
			t.Errorf("%+v, logged %s", n, log)
		}
	})
}
