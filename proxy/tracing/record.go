package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// Record implements proxy.Tracer: one span of the server's kind for the exchange,
// and below it one of the client's kind for each attempt to forward it.
func (r *Recorder) Record(x *proxy.Exchange, end limits.Time) {
	t := x.Trace()
	ctx := context.WithValue(parentOf(x, t), idsKey{}, ids{t.ID, t.Span})
	ctx, span := r.tracer.Start(ctx, nameOf(x),
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(at(x, x.Start.Mono)),
		trace.WithAttributes(serverAttributes(x)...))
	if why, failed := serverError(x); failed {
		span.SetStatus(codes.Error, why)
	}
	for i := range t.Attempts {
		r.attempt(ctx, x, i, end)
	}
	span.End(trace.WithTimestamp(at(x, end.Mono)))
}

// attempt makes the span of one attempt. The one that was answered lasts until the
// exchange is over, since the response's body is a part of it.
func (r *Recorder) attempt(ctx context.Context, x *proxy.Exchange, i int, end limits.Time) {
	t := x.Trace()
	a := &t.Attempts[i]
	ctx = context.WithValue(ctx, idsKey{}, ids{t.ID, a.Span})
	_, span := r.tracer.Start(ctx, methodOf(x),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(at(x, a.Start)),
		trace.WithAttributes(clientAttributes(x, i)...))
	over := end.Mono
	switch {
	case a.Err != nil:
		span.SetStatus(codes.Error, clip(a.Err.Error()))
		over = a.Head
	case a.Head > 0:
		if a.Status >= 400 {
			span.SetStatus(codes.Error, "")
		}
		span.AddEvent("lictor.response_head", trace.WithTimestamp(at(x, a.Head)))
	}
	span.End(trace.WithTimestamp(at(x, over)))
}

// parentOf is what a trusted peer has said, nothing where the trace begins.
func parentOf(x *proxy.Exchange, t *proxy.Trace) context.Context {
	ctx := context.Background()
	if t.Parent == [8]byte{} {
		return ctx
	}
	c := trace.SpanContextConfig{TraceID: t.ID, SpanID: t.Parent, TraceFlags: trace.FlagsSampled, Remote: true}
	if v, ok := x.Request.Fields.Lookup("tracestate"); ok {
		if state, err := trace.ParseTraceState(string(v)); err == nil {
			c.TraceState = state
		}
	}
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(c))
}

// at is a moment of the exchange.
func at(x *proxy.Exchange, mono time.Duration) time.Time {
	return time.Unix(0, int64(x.Start.Wall+mono-x.Start.Mono))
}
