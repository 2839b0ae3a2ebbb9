package harness

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector takes traces by OTLP over HTTP, in the test's own process.
type Collector struct {
	t      testing.TB
	server *httptest.Server

	mu     sync.Mutex
	spans  []Span
	asked  []http.Header // of every export
	answer int           // a status in place of 200
}

// Span is one that a collector was sent.
type Span struct {
	*otlp.Span
	// Trace, ID and Parent are in hexadecimal; Parent is empty at a root.
	Trace, ID, Parent string
	// Attributes and Resource are texts, whatever the values are.
	Attributes, Resource map[string]string
}

// StartCollector runs a collector until the test ends.
func StartCollector(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{t: t}
	c.server = httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(c.Close)
	return c
}

// URL is the collector's address.
func (c *Collector) URL() string { return c.server.URL }

// Close refuses all connections from now on.
func (c *Collector) Close() {
	c.server.CloseClientConnections()
	c.server.Close()
}

// Answer has the collector take nothing and answer with the status; 0 is to take
// everything again.
func (c *Collector) Answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = status
}

func (c *Collector) take(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return // the gateway broke off, as when it is ended: it has exported nothing
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r.Header)
	if c.answer != 0 {
		w.WriteHeader(c.answer)
		return
	}
	all, err := decode(r, text)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
		c.t.Errorf("an export that is none: %s %s: %v", r.Method, r.URL, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, rs := range all.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans = append(c.spans, Span{
					Span: s, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
					Attributes: texts(s.Attributes), Resource: texts(rs.Resource.GetAttributes()),
				})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func decode(r *http.Request, text []byte) (*otlp.TracesData, error) {
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		if text, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	}
	all := &otlp.TracesData{}
	return all, proto.Unmarshal(text, all)
}

func texts(list []*common.KeyValue) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		switch v := kv.Value.GetValue().(type) {
		case *common.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *common.AnyValue_ArrayValue:
			for i, e := range v.ArrayValue.Values {
				if i > 0 {
					m[kv.Key] += ","
				}
				m[kv.Key] += e.GetStringValue()
			}
		default:
			m[kv.Key] = fmt.Sprint(kv.Value.GetIntValue())
		}
	}
	return m
}

// Spans returns all that have come, in their order.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Exports returns the fields of every export that was tried.
func (c *Collector) Exports() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]http.Header(nil), c.asked...)
}

// Of waits for the spans of the request with that id: the server's, and those of the
// attempts to forward it.
func (c *Collector) Of(requestID string, attempts int) (server Span, clients []Span) {
	c.t.Helper()
	Within(c.t, Patience, "the spans have come", func() error {
		found := false
		clients = clients[:0]
		all := c.Spans()
		for _, s := range all {
			if s.Attributes["lictor.request_id"] == requestID {
				server, found = s, true
			}
		}
		for _, s := range all {
			if found && s.Parent == server.ID {
				clients = append(clients, s)
			}
		}
		if !found || len(clients) != attempts {
			return fmt.Errorf("of the request %s there are %d attempts, its own span is here: %v", requestID, len(clients), found)
		}
		return nil
	})
	return server, clients
}
