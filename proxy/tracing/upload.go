package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// longestReply bounds what is read of a collector's answer, in bytes.
const longestReply = 64 << 10

// Collector says how a collector of traces is spoken to: OTLP/HTTP with protobuf
// (OTLP specification 1.x, section "OTLP/HTTP"). The exporter that comes with the SDK
// does the same and links all of gRPC.
type Collector struct {
	// URL is where exports are posted to.
	URL string
	// Client makes the requests. It should follow no redirects.
	Client *http.Client
	// Fields returns what is to be sent along, such as Authorization; it is asked for
	// every export. Nil means nothing.
	Fields func() (http.Header, error)
	// UserAgent says who exports.
	UserAgent string
	// Plain leaves exports uncompressed, which else go by gzip.
	Plain bool
}

// NewExporter returns an exporter to a collector. It makes no connection before the
// first export.
func NewExporter(c Collector) (sdk.SpanExporter, error) {
	return otlptrace.New(context.Background(), &uploader{c: c, zip: gzip.NewWriter(io.Discard)})
}

// uploader implements otlptrace.Client. It is used by one goroutine.
type uploader struct {
	c   Collector
	zip *gzip.Writer
}

// Start implements otlptrace.Client.
func (*uploader) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (u *uploader) Stop(context.Context) error {
	u.c.Client.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client.
func (u *uploader) UploadTraces(ctx context.Context, spans []*otlp.ResourceSpans) error {
	// On the wire it is an ExportTraceServiceRequest: that has the one field that
	// TracesData has.
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encoding spans: %w", err)
	}
	header := http.Header{}
	if u.c.Fields != nil {
		if header, err = u.c.Fields(); err != nil {
			return &uploadError{err: err, again: true}
		}
	}
	if !u.c.Plain {
		var b bytes.Buffer
		u.zip.Reset(&b)
		_, _ = u.zip.Write(body) // into memory
		_ = u.zip.Close()
		body = b.Bytes()
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Content-Type", "application/x-protobuf")
	header.Set("User-Agent", u.c.UserAgent)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.c.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the collector: %w", err)
	}
	r.Header = header
	reply, err := u.c.Client.Do(r)
	if err != nil {
		return &uploadError{err: err, again: true}
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(io.LimitReader(reply.Body, longestReply))
	switch {
	case reply.StatusCode/100 != 2:
		return refusal(reply)
	case err != nil:
		return &uploadError{err: err, again: true}
	}
	return partial(text)
}

// uploadError is an export that failed.
type uploadError struct {
	err   error
	again bool // it may go well later
	after time.Duration
}

func (e *uploadError) Error() string { return e.err.Error() }
func (e *uploadError) Unwrap() error { return e.err }

// refusal turns a status into an error. A collector that answers with one of these
// wants to be asked again.
func refusal(r *http.Response) error {
	e := &uploadError{err: fmt.Errorf("the collector answered %s", r.Status)}
	switch r.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.again = true
		if n, err := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 16); err == nil {
			e.after = time.Duration(n) * time.Second
		}
	}
	return e
}

// retryable reports whether an export that failed may go well later, and the least
// wait until then.
func retryable(err error) (again bool, after time.Duration) {
	if e, ok := errors.AsType[*uploadError](err); ok {
		return e.again, e.after
	}
	return errors.Is(err, context.DeadlineExceeded), 0
}
