//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

func tracingTo(c *harness.Collector, more string) string {
	return fmt.Sprintf("tracing {\n  otlp_endpoint = %q\n  sample_ratio = 1\n%s\n}\n", c.URL(), more)
}

// logged waits for the line of a request.
func logged(t *testing.T, g *harness.Gateway, id string) (line map[string]any) {
	t.Helper()
	harness.Within(t, harness.Patience, "the line is written", func() error {
		lines, err := g.AccessLog()
		if err != nil {
			return err
		}
		for _, line = range lines {
			if line["request_id"] == id {
				return nil
			}
		}
		return fmt.Errorf("no line for the request %s", id)
	})
	return line
}

func wants(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %s is %q, want %q", what, k, got[k], v)
		}
	}
}

// One id finds a request in the client's hands, at the instance, in the log and in
// the trace, and the trace's id leads from any of them to the others.
func TestOneRequestID(t *testing.T) {
	t.Parallel()
	collector := harness.StartCollector(t)
	w := newWorldWith(t, 1, harness.Options{Policies: ordersRoute + handful, Config: tracingTo(collector, `resource = { "deployment.environment.name" = "test" }`)})

	a := w.gateway.Get("/orders/7?page=2&token=SECRET", "Host: shop.example:8080", "User-Agent: test/1")
	id := a.Header.Get("X-Request-Id")
	saw := a.Echo(t)
	line := logged(t, w.gateway, id)
	server, attempts := collector.Of(id, 1)
	if saw.Header.Get("X-Request-Id") != id || line["request_id"] != id {
		t.Errorf("the client got %q, the instance %q, the log %v", id, saw.Header.Get("X-Request-Id"), line["request_id"])
	}
	if line["trace_id"] != server.Trace || line["span_id"] != server.ID {
		t.Errorf("the log has %v and %v, the trace %s and %s", line["trace_id"], line["span_id"], server.Trace, server.ID)
	}
	if want := "00-" + server.Trace + "-" + attempts[0].ID + "-03"; saw.Header.Get("Traceparent") != want {
		t.Errorf("the instance was told %q, want %q", saw.Header.Get("Traceparent"), want)
	}
	wants(t, "the server's span", server.Attributes, map[string]string{
		"http.request.method": "GET", "url.path": "/orders/7", "url.query": "page=2&token=REDACTED", "url.scheme": "http", "server.address": "shop.example",
		"server.port": "8080", "client.address": "127.0.0.1", "network.protocol.version": "1.1", "user_agent.original": "test/1",
		"http.response.status_code": "200", "http.route": "/orders", "lictor.route": "orders", "lictor.service": "orders",
		"lictor.instance": "node-1/orders-1", "lictor.retries": "0",
	})
	wants(t, "the resource", server.Resource, map[string]string{
		"service.name": "lictor", "service.instance.id": "edge-test", "deployment.environment.name": "test",
	})
	wants(t, "the attempt", attempts[0].Attributes, map[string]string{
		"http.response.status_code": "200", "server.address": w.orders[0].Host, "server.port": fmt.Sprint(w.orders[0].Port),
	})

	// What the gateway answers by itself has the id in its body as well.
	_, refused := spend(t, w.gateway, "/limited")
	id = refused.Header.Get("X-Request-Id")
	var problem struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(refused.Body, &problem); err != nil || problem.RequestID != id {
		t.Errorf("the client got %q, and in the body %q: %v", id, problem.RequestID, err)
	}
	line = logged(t, w.gateway, id)
	server, _ = collector.Of(id, 0)
	if line["trace_id"] != server.Trace {
		t.Errorf("the log has %v, the trace %s", line["trace_id"], server.Trace)
	}
	wants(t, "the refusal", server.Attributes, map[string]string{
		"http.response.status_code": "429", "lictor.limit.denied": "handful", "lictor.problem": "https://iana.org/assignments/http-problem-types#quota-exceeded",
	})
}

// A retry is a second attempt in the trace, and each instance is told of its own.
func TestTracedRetry(t *testing.T) {
	t.Parallel()
	collector := harness.StartCollector(t)
	w := newWorldWith(t, 2, harness.Options{Policies: ordersRoute, Config: tracingTo(collector, "")})
	w.orders[0].Close() // Consul has not noticed
	var last harness.Answer
	harness.Within(t, harness.Patience, "a request is sent again", func() error {
		last = w.gateway.Get("/orders")
		if line := logged(t, w.gateway, last.Header.Get("X-Request-Id")); line["retries"] != 1.0 {
			return fmt.Errorf("%v retries", line["retries"])
		}
		return nil
	})
	server, attempts := collector.Of(last.Header.Get("X-Request-Id"), 2)
	first, second := attempts[0], attempts[1]
	if first.StartTimeUnixNano > second.StartTimeUnixNano {
		first, second = second, first
	}
	wants(t, "the server's span", server.Attributes, map[string]string{"lictor.retries": "1", "http.response.status_code": "200", "lictor.instance": "node-1/orders-2"})
	wants(t, "the first attempt", first.Attributes, map[string]string{"error.type": "refused", "lictor.instance": "node-1/orders-1"})
	wants(t, "the second attempt", second.Attributes, map[string]string{"http.response.status_code": "200", "http.request.resend_count": "1", "lictor.instance": "node-1/orders-2"})
	if saw := last.Echo(t); !strings.Contains(saw.Header.Get("Traceparent"), second.ID) {
		t.Errorf("the instance was told %q, its attempt is %s", saw.Header.Get("Traceparent"), second.ID)
	}
}

// A trusted peer begins traces and decides; nobody else does.
func TestTraceOfAPeer(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
	for _, trusted := range []bool{true, false} {
		collector := harness.StartCollector(t)
		listener := ""
		if trusted {
			listener = `trusted_proxies = ["127.0.0.1"]`
		}
		w := newWorldWith(t, 1, harness.Options{Policies: ordersRoute, Listener: listener, Config: tracingTo(collector, "")})
		a := w.gateway.Get("/orders", "Traceparent: "+parent+"01", "Tracestate: a=1")
		server, _ := collector.Of(a.Header.Get("X-Request-Id"), 1)
		if got := server.Trace == "0af7651916cd43dd8448eb211c80319c" && server.Parent == "b7ad6b7169203331" && server.TraceState == "a=1"; got != trusted {
			t.Errorf("trusted %v: the span is %v", trusted, server)
		}
		if !trusted {
			continue
		}
		a = w.gateway.Get("/orders", "Traceparent: "+parent+"00")
		if line := logged(t, w.gateway, a.Header.Get("X-Request-Id")); line["trace_id"] != nil || a.Echo(t).Header.Get("Traceparent") != parent+"00" {
			t.Errorf("what the peer has left out is logged as %v, and the instance was told %q", line, a.Echo(t).Header.Get("Traceparent"))
		}
	}
}

// A collector that is not there costs spans, counted, and nothing else; what is kept
// goes out when it is back, at the latest when the gateway leaves.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	collector := harness.StartCollector(t)
	collector.Answer(http.StatusServiceUnavailable)
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorldWith(t, 1, harness.Options{Policies: ordersRoute, Config: tracingTo(collector, fmt.Sprintf("queue = 17\ntoken_file = %q", secret))})
	// More spans than fit into what is being exported, and into the queue.
	for range 600 {
		if a := w.gateway.Get("/orders"); a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	// They may be dropped before the first export has failed.
	harness.Within(t, harness.Patience, "spans are dropped, and it is told why", func() error {
		if w.gateway.Metric(t, "lictor_trace_spans_total", "result=dropped") == 0 {
			return fmt.Errorf("none has been")
		}
		if !w.gateway.Log.Contains("traces can't be exported") {
			return fmt.Errorf("it is not told")
		}
		return nil
	})
	collector.Answer(0)
	if code := w.gateway.Stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	if len(collector.Spans()) == 0 {
		t.Error("what was kept is lost")
	}
	if n := w.gateway.Log.Count("traces can't be exported"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	for _, h := range collector.Exports() {
		if h.Get("Authorization") != "Bearer s3cret" {
			t.Errorf("an export came with %q", h.Get("Authorization"))
		}
	}
	if w.gateway.Log.Contains("s3cret") {
		t.Error("the token is in the log")
	}
}

// How much is sampled is changed by a reload.
func TestSampleByReload(t *testing.T) {
	t.Parallel()
	collector := harness.StartCollector(t)
	w := newWorldWith(t, 1, harness.Options{Policies: ordersRoute, Config: strings.Replace(tracingTo(collector, ""), "sample_ratio = 1", "sample_ratio = 0", 1)})
	before := w.gateway.Get("/orders").Header.Get("X-Request-Id")
	file := filepath.Join(w.gateway.Dir, "lictor.hcl")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "sample_ratio = 0", "sample_ratio = 1", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.gateway.Reload()
	after := w.gateway.Get("/orders").Header.Get("X-Request-Id")
	collector.Of(after, 1)
	if line := logged(t, w.gateway, before); line["trace_id"] != nil {
		t.Errorf("before it was logged as %v", line)
	}
	if w.gateway.Log.Contains("restart") {
		t.Error("a restart is asked for")
	}
}
