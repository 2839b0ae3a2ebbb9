package tracing

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel/attribute"
	otelsdk "go.opentelemetry.io/otel/sdk"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name under which the spans are made.
const scope = "github.com/lictor/lictor"

// Options describe a Recorder.
type Options struct {
	// Service, Version and Instance say who records (service.name, service.version
	// and service.instance.id).
	Service, Version, Instance string
	// Resource are further attributes of who records. They win over those of
	// OTEL_RESOURCE_ATTRIBUTES, and Service, Version and Instance over both.
	Resource map[string]string
	// Exporter is where batches of spans go. It is used by Run alone.
	Exporter sdk.SpanExporter
	// Queue bounds the spans that wait for the exporter, at least 1. What comes while
	// it is full is dropped.
	Queue int
	// Timeout bounds one export.
	Timeout time.Duration
	Logger  hclog.Logger
}

// Recorder makes spans of exchanges. It implements proxy.Tracer. Run must be running
// for them to get anywhere.
type Recorder struct {
	tracer trace.Tracer
	queue  *queue
}

// New returns a recorder.
func New(o Options) *Recorder {
	q := newQueue(o)
	provider := sdk.NewTracerProvider(
		sdk.WithSampler(sdk.AlwaysSample()), // the proxy has decided
		sdk.WithIDGenerator(given{}),
		sdk.WithResource(resourceOf(o)),
		sdk.WithRawSpanLimits(bounds),
		sdk.WithoutPanicRecording(),
		sdk.WithSpanProcessor(q),
	)
	return &Recorder{
		tracer: provider.Tracer(scope, trace.WithInstrumentationVersion(o.Version), trace.WithSchemaURL(semconv.SchemaURL)),
		queue:  q,
	}
}

// bounds are far above what is recorded, but for the length of what clients send.
var bounds = sdk.SpanLimits{
	AttributeValueLengthLimit: longest, AttributeCountLimit: 128, EventCountLimit: 128, LinkCountLimit: 1,
	AttributePerEventCountLimit: 16, AttributePerLinkCountLimit: 16, AttributeValueDepthLimit: 4,
}

func resourceOf(o Options) *resource.Resource {
	var list []attribute.KeyValue
	for k, v := range o.Resource {
		list = append(list, attribute.String(k, v))
	}
	list = append(list, semconv.ServiceName(o.Service), semconv.ServiceInstanceID(o.Instance))
	if o.Version != "" {
		list = append(list, semconv.ServiceVersion(o.Version))
	}
	list = append(list, semconv.TelemetrySDKName("opentelemetry"), semconv.TelemetrySDKLanguageGo, semconv.TelemetrySDKVersion(otelsdk.Version()))
	return resource.NewSchemaless(list...)
}

// Run exports until ctx is done, and then what is left within the bound.
func (r *Recorder) Run(ctx context.Context, bound time.Duration) { r.queue.run(ctx, bound) }

// Counts are spans since the start.
type Counts struct {
	// Exported have reached the collector.
	Exported uint64
	// Dropped did not fit into the queue, since the collector was too slow.
	Dropped uint64
	// Failed were refused by the collector, or it could not be reached for too long.
	Failed uint64
}

// Counts returns what has become of the spans.
func (r *Recorder) Counts() Counts { return r.queue.counts() }

type counters struct{ exported, dropped, failed atomic.Uint64 }

// given hands out the ids that the proxy has chosen already.
type given struct{}

type idsKey struct{}

type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

func (given) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	i, _ := ctx.Value(idsKey{}).(ids)
	return i.trace, i.span
}

func (given) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	i, _ := ctx.Value(idsKey{}).(ids)
	return i.span
}
