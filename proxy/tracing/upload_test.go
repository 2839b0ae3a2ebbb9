package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func stubs(names ...string) []sdk.ReadOnlySpan {
	var out []sdk.ReadOnlySpan
	for _, n := range names {
		out = append(out, tracetest.SpanStub{Name: n, Resource: resource.NewSchemaless(attribute.String("service.name", "edge"))}.Snapshot())
	}
	return out
}

func TestUpload(t *testing.T) {
	for _, plain := range []bool{true, false} {
		var got otlp.TracesData
		var header http.Header
		var path string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header, path = r.Header, r.Method+" "+r.URL.Path
			var body io.Reader = r.Body
			if r.Header.Get("Content-Encoding") == "gzip" {
				z, err := gzip.NewReader(r.Body)
				if err != nil {
					t.Error(err)
					return
				}
				body = z
			}
			text, err := io.ReadAll(body)
			if err == nil {
				err = proto.Unmarshal(text, &got)
			}
			if err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusOK)
		}))
		secret := "one"
		e, err := NewExporter(Collector{
			URL: server.URL + "/v1/traces", Client: server.Client(), UserAgent: "lictor/1", Plain: plain,
			Fields: func() (http.Header, error) { return http.Header{"Authorization": {secret}}, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, secret = range []string{"one", "two"} {
			got.Reset()
			if err := e.ExportSpans(t.Context(), stubs("a", "b")); err != nil {
				t.Fatal(err)
			}
			if header.Get("Authorization") != secret {
				t.Errorf("sent with %q", header.Get("Authorization"))
			}
		}
		if len(got.ResourceSpans) != 1 || len(got.ResourceSpans[0].ScopeSpans[0].Spans) != 2 || got.ResourceSpans[0].ScopeSpans[0].Spans[1].Name != "b" {
			t.Errorf("received %v", &got)
		}
		if path != "POST /v1/traces" || header.Get("Content-Type") != "application/x-protobuf" || header.Get("User-Agent") != "lictor/1" ||
			(header.Get("Content-Encoding") == "gzip") == plain {
			t.Errorf("received as %s with %v", path, header)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		server.Close()
	}
}

func TestUploadAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		field  string
		again  bool
		after  time.Duration
	}{
		{400, "", false, 0},
		{401, "", false, 0},
		{404, "5", false, 0},
		{302, "", false, 0},
		{500, "", false, 0},
		{429, "7", true, 7 * time.Second},
		{502, "", true, 0},
		{503, "soon", true, 0},
		{504, "", true, 0},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", c.field)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
		}))
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		e, err := NewExporter(Collector{URL: server.URL, Client: client})
		if err != nil {
			t.Fatal(err)
		}
		err = e.ExportSpans(t.Context(), stubs("a"))
		if again, after := retryable(err); err == nil || again != c.again || after != c.after {
			t.Errorf("%d: %v, again %v after %v", c.status, err, again, after)
		}
		server.Close()
	}
}

func TestUploadFails(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	for name, c := range map[string]Collector{
		"nobody is there":       {URL: gone.URL, Client: http.DefaultClient},
		"not who it should be":  {URL: secure.URL, Client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}}},
		"no secret to be found": {URL: gone.URL, Client: http.DefaultClient, Fields: func() (http.Header, error) { return nil, errors.New("gone") }},
	} {
		e, err := NewExporter(c)
		if err != nil {
			t.Fatal(err)
		}
		err = e.ExportSpans(t.Context(), stubs("a"))
		if again, _ := retryable(err); err == nil || !again {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e, err := NewExporter(Collector{URL: secure.URL, Client: secure.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.ExportSpans(ctx, stubs("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop: %v", err)
	}
}

func TestPartial(t *testing.T) {
	inner := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 3)
	inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), "too \xfflong")
	reply := protowire.AppendFixed32(protowire.AppendTag(nil, 9, protowire.Fixed32Type), 1)
	reply = protowire.AppendBytes(protowire.AppendTag(reply, 1, protowire.BytesType), inner)
	e, ok := errors.AsType[*partialError](partial(reply))
	if !ok || e.rejected != 3 || e.message != "too \ufffdlong" {
		t.Errorf("got %v", e)
	}
	empty := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), nil)
	for _, fine := range [][]byte{nil, empty, []byte(`{"partialSuccess":{}}`), bytes.Repeat([]byte{0xff}, 20)} {
		if err := partial(fine); err != nil {
			t.Errorf("%q: %v", fine, err)
		}
	}
}

func FuzzPartial(f *testing.F) {
	f.Add([]byte{0x0a, 0x02, 0x08, 0x03})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := errors.AsType[*partialError](partial(b)); ok && (e.rejected < 0 || len(e.message) > 3*longest) {
			t.Errorf("%+v", e)
		}
	})
}

func TestParseHeaders(t *testing.T) {
	got, err := ParseHeaders("# who we are\nX-Team: edge \n\n  Api-Key:a:b\r\nX-Team: gate\nEmpty:\n")
	want := http.Header{"X-Team": {"edge", "gate"}, "Api-Key": {"a:b"}, "Empty": {""}}
	if err != nil || !maps.EqualFunc(got, want, func(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }) {
		t.Errorf("got %q and %v, want %q", got, err, want)
	}
	for _, text := range []string{"X-Key SECRET", ": SECRET", "a b: SECRET", "X-A: b\nSECRET"} {
		if _, err := ParseHeaders(text); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
