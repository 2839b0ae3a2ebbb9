package tracing

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// mostSpans bounds one export.
	mostSpans = 512
	// linger is how long a span waits for others to be exported with.
	linger = time.Second
	// An export that failed for the time being is tried again, at first after
	// firstWait, at last after longestWait, for patience.
	firstWait   = time.Second
	longestWait = 15 * time.Second
	patience    = time.Minute
)

// queue keeps spans until they are exported. It implements the SDK's SpanProcessor;
// unlike the SDK's own it counts what it drops.
type queue struct {
	counters
	spans    chan sdk.ReadOnlySpan
	exporter sdk.SpanExporter
	timeout  time.Duration
	log      hclog.Logger

	// What follows is run's.
	batch   []sdk.ReadOnlySpan
	failing bool
	noted   bool // that spans are dropped
}

func newQueue(o Options) *queue {
	return &queue{
		spans: make(chan sdk.ReadOnlySpan, o.Queue), exporter: o.Exporter, timeout: o.Timeout, log: o.Logger,
		batch: make([]sdk.ReadOnlySpan, 0, mostSpans),
	}
}

// OnStart implements sdk.SpanProcessor.
func (q *queue) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor. It never waits.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	select {
	case q.spans <- s:
	default:
		q.dropped.Add(1)
	}
}

// Shutdown implements sdk.SpanProcessor; run ends by its context.
func (q *queue) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdk.SpanProcessor; nothing asks for it.
func (q *queue) ForceFlush(context.Context) error { return nil }

func (q *queue) counts() Counts {
	return Counts{Exported: q.exported.Load(), Dropped: q.dropped.Load(), Failed: q.failed.Load()}
}

// run exports until ctx is done, and then what is left within the bound.
func (q *queue) run(ctx context.Context, bound time.Duration) {
	due := time.NewTimer(linger)
	due.Stop()
	for ctx.Err() == nil {
		select {
		case s := <-q.spans:
			if q.batch = append(q.batch, s); len(q.batch) == 1 {
				due.Reset(linger)
			}
			if len(q.batch) < mostSpans {
				continue
			}
			due.Stop()
		case <-due.C:
		case <-ctx.Done():
			continue
		}
		q.export(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	q.flush(last)
	_ = q.exporter.Shutdown(last) // there is nothing left to lose
}

// export sends the batch, again and again while that may help. When ctx is done it
// leaves the batch to flush.
func (q *queue) export(ctx context.Context) {
	began, wait := time.Now(), firstWait
	for {
		err := q.send(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		again, after := retryable(err)
		after = max(after, wait)
		if !again || time.Since(began)+after > patience {
			q.lose()
			return
		}
		t := time.NewTimer(after)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		wait = min(2*wait, longestWait)
	}
}

// flush sends everything that is left, each once.
func (q *queue) flush(ctx context.Context) {
	for {
		for more := true; more && len(q.batch) < mostSpans; {
			select {
			case s := <-q.spans:
				q.batch = append(q.batch, s)
			default:
				more = false
			}
		}
		if len(q.batch) == 0 {
			return
		}
		if err := q.send(ctx); err != nil {
			q.lose()
		}
	}
}

// send tries to export the batch once, and empties it when that went well.
func (q *queue) send(ctx context.Context) error {
	one, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	err := q.exporter.ExportSpans(one, q.batch)
	refused, partial := errors.AsType[*partialError](err)
	if err != nil && !partial {
		if !q.failing && ctx.Err() == nil {
			q.log.Warn("traces can't be exported", "error", err)
			q.failing = true
		}
		return err
	}
	if q.failing {
		q.log.Info("traces are exported again", "dropped", q.dropped.Load(), "failed", q.failed.Load())
		q.failing = false
	}
	lost := 0
	if partial {
		q.log.Warn("the collector has refused spans", "error", err)
		lost = min(max(refused.rejected, 0), len(q.batch))
	}
	q.failed.Add(uint64(lost))
	q.exported.Add(uint64(len(q.batch) - lost))
	q.clear()
	if n := q.dropped.Load(); n > 0 && !q.noted {
		q.log.Warn("spans are dropped, since the collector does not take them fast enough", "dropped", n)
		q.noted = true
	}
	return nil
}

// lose gives the batch up.
func (q *queue) lose() {
	q.failed.Add(uint64(len(q.batch)))
	q.clear()
}

func (q *queue) clear() {
	clear(q.batch)
	q.batch = q.batch[:0]
}
