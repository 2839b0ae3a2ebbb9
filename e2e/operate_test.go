//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

func TestAccessLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute+handful)
	ok := w.gateway.Do(http.MethodPost, "/orders/7?page=2", strings.NewReader("12345"), "Host: shop.example", "User-Agent: test/1", "Referer: http://from.example/")
	missing := w.gateway.Get("/nothing")
	_, limited := spend(t, w.gateway, "/limited")

	byID := map[string]map[string]any{}
	harness.Within(t, harness.Patience, "the lines are written", func() error {
		lines, err := w.gateway.AccessLog()
		if err != nil {
			return err
		}
		for _, line := range lines {
			id, _ := line["request_id"].(string)
			byID[id] = line
		}
		for _, a := range []harness.Answer{ok, missing, limited} {
			if byID[a.Header.Get("X-Request-Id")] == nil {
				return fmt.Errorf("no line for the request %s", a.Header.Get("X-Request-Id"))
			}
		}
		return nil
	})

	line := byID[ok.Header.Get("X-Request-Id")]
	for field, want := range map[string]any{
		"client": "127.0.0.1", "method": "POST", "host": "shop.example", "path": "/orders/7", "query": "page=2", "status": 200.0,
		"bytes_in": 5.0, "bytes_out": float64(len(ok.Body)), "route": "orders", "service": "orders", "instance": "node-1/orders-1", "retries": 0.0,
		"user_agent": "test/1", "referer": "http://from.example/", "protocol": "HTTP/1.1",
	} {
		if line[field] != want {
			t.Errorf("%s is %v (%T), want %v", field, line[field], line[field], want)
		}
	}
	for _, field := range []string{"time", "duration_ms", "upstream_ms"} {
		if _, ok := line[field]; !ok {
			t.Errorf("no field %s in %v", field, line)
		}
	}
	if line := byID[missing.Header.Get("X-Request-Id")]; line["status"] != 404.0 {
		t.Errorf("a request without a route: %v", line)
	}
	if line := byID[limited.Header.Get("X-Request-Id")]; line["status"] != 429.0 || line["limit"] != "handful" || line["route"] != "limited" {
		t.Errorf("a refused request: %v", line)
	}
}

// A page that a browser shows cannot reach the admin API, whatever name it has
// made to point here.
func TestAdminHostAndOrigin(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, harness.Options{Policies: ordersRoute, Admin: `hosts = ["gateway.internal"]`})
	for _, test := range []struct {
		method, path string
		fields       map[string]string
		want         int
	}{
		{"GET", "/v1/routes", nil, 200},
		{"GET", "/v1/routes", map[string]string{"Host": "localhost"}, 200},
		{"GET", "/v1/routes", map[string]string{"Host": "localhost:9980"}, 200},
		{"GET", "/v1/routes", map[string]string{"Host": "[::1]:9980"}, 200},
		{"GET", "/v1/routes", map[string]string{"Host": "gateway.internal"}, 200},
		{"GET", "/v1/routes", map[string]string{"Host": "evil.example"}, 403},
		{"GET", "/v1/routes", map[string]string{"Host": "localhost.evil.example"}, 403},
		{"GET", "/v1/routes", map[string]string{"Host": "127.0.0.1.evil.example"}, 403},
		{"GET", "/v1/routes", map[string]string{"Origin": "http://evil.example"}, 403},
		{"GET", "/v1/routes", map[string]string{"Origin": "null"}, 403},
		{"GET", "/v1/routes", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"GET", "/v1/routes", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		{"PUT", "/v1/reload", map[string]string{"Origin": "http://evil.example"}, 403},
		{"PUT", "/v1/reload", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"PUT", "/v1/reload", map[string]string{"Host": "evil.example"}, 403},
		{"GET", "/v1/reload", nil, 405},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+w.gateway.Admin+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range test.fields {
			if name == "Host" {
				request.Host = value
			} else {
				request.Header.Set(name, value)
			}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != test.want {
			t.Errorf("%s %s %v: status %d, want %d", test.method, test.path, test.fields, response.StatusCode, test.want)
		}
	}
}

func TestAdminAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, ordersRoute+handful)
	w.gateway.Get("/orders")
	spend(t, w.gateway, "/limited")
	for path, wants := range map[string][]string{
		"/v1/health":   nil,
		"/v1/ready":    nil,
		"/v1/routes":   {"orders", "limited", "/orders"},
		"/v1/services": {"orders-1", "orders-2"},
		"/v1/limits":   {"handful"},
		"/v1/config":   {"edge-test"},
	} {
		status, body, err := w.gateway.AdminGet(path)
		if err != nil || status != http.StatusOK {
			t.Errorf("%s: %d %v", path, status, err)
			continue
		}
		if !json.Valid(body) {
			t.Errorf("%s is not JSON: %s", path, body)
		}
		for _, want := range wants {
			if !contains(body, want) {
				t.Errorf("%s: no %q in %s", path, want, body)
			}
		}
	}
	harness.Within(t, harness.Patience, "the metrics tell of it", func() error { // some a moment after the answers
		status, body, err := w.gateway.AdminGet("/v1/metrics")
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("%d %w", status, err)
		}
		for _, want := range []string{
			`lictor_requests_total{`, `route="orders"`, "lictor_request_duration_seconds_bucket{", "lictor_in_flight{",
			`lictor_limit_decisions_total{decision="denied",limit="handful"} 1`, "lictor_endpoints{", "lictor_build_info{", "lictor_generation",
		} {
			if !contains(body, want) {
				return fmt.Errorf("no %q in\n%s", want, body)
			}
		}
		return nil
	})
}

func TestCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute+handful)
	for _, test := range []struct {
		args  []string
		wants []string
	}{
		{[]string{"routes"}, []string{"orders", "limited"}},
		{[]string{"services"}, []string{"orders-1"}},
		{[]string{"limits"}, []string{"handful"}},
		{[]string{"version"}, []string{"ictor"}},
	} {
		r := w.gateway.Run(test.args...)
		if r.Code != 0 {
			t.Errorf("%v ended with %d: %s", test.args, r.Code, r.Stderr)
		}
		for _, want := range test.wants {
			if !strings.Contains(r.Stdout, want) {
				t.Errorf("%v: no %q in\n%s", test.args, want, r.Stdout)
			}
		}
	}
	for _, name := range []string{"routes", "services", "limits"} {
		if r := w.gateway.Run(name, "-json"); r.Code != 0 || !json.Valid([]byte(r.Stdout)) {
			t.Errorf("%s -json ended with %d: %s%s", name, r.Code, r.Stdout, r.Stderr)
		}
	}
	if r := w.gateway.Run("no-such-command"); r.Code != 2 {
		t.Errorf("an unknown command ended with %d: %s", r.Code, r.Stderr)
	}
	if r := harness.RunLictor(t, []string{"LICTOR_ADDR=127.0.0.1:1"}, "routes"); r.Code != 1 || r.Stderr == "" {
		t.Errorf("without a gateway routes ended with %d: %s", r.Code, r.Stderr)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	good, bad := filepath.Join(folder, "good.hcl"), filepath.Join(folder, "bad.hcl")
	if err := os.WriteFile(good, []byte(ordersRoute+handful), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("route \"a\" {\n  path_prefx = \"/a\"\n  service = \"a\"\n  limits = [\"handfull\"]\n}\n"+handful), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := harness.RunLictor(t, nil, "validate", good); r.Code != 0 || !strings.Contains(r.Stdout, "Configuration is valid!") {
		t.Errorf("a good policy ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	r := harness.RunLictor(t, nil, "validate", bad)
	if r.Code != 1 {
		t.Errorf("a bad policy ended with %d: %s", r.Code, r.Stdout)
	}
	for _, want := range []string{"bad.hcl", "path_prefx", "path_prefix", "handfull", "line 2", "line 4"} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("no %q among the diagnostics:\n%s", want, r.Stderr)
		}
	}
	example := filepath.Join(harness.Root(t), "config.hcl.example")
	if r := harness.RunLictor(t, nil, "validate", example); r.Code != 0 {
		t.Errorf("config.hcl.example ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// The demo does what it prints.
func TestDemo(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), harness.Built(t, "e2e/demo"),
		"-check", "-consul", harness.ConsulBinary(t), "-lictor", harness.Lictor(t), "-echo", harness.Built(t, "e2e/demo/echo"),
	).CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, output)
	}
}
