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

// A log of one's own: fields of requests, tokens and answers, queries without what a
// team calls its secrets, and not every request; beside the usual log.
func TestLogsOfOnesOwn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, []byte(secret+"\n"))
	w := newWorldWith(t, 1, harness.Options{
		Policies: provider("main", secretFile(file), `algorithms = ["HS256"]`) + guarded("orders", "main", "optional = true", "") + `
route "quiet" {
  path_prefix = "/quiet"
  service     = "orders"
}
`,
		Config: `access_log {
  path         = "own.log"
  query        = "keep"
  redact_query = ["Coupon"]
  fields = {
    tenant = jwt.tenant
    ref    = "request.header[\"X-Ref\"]"
    from   = response.header["X-Instance"]
  }
  sample {
    routes = { quiet = 0 }
  }
}
`,
	})
	token := bearer(harness.NewSecret(t, []byte(secret)).Token(person("ada").With("tenant", "acme")))
	full := w.gateway.Get("/orders?page=2&token=KEPT&coupon=SECRET", token, "X-Ref: r-7")
	quiet := w.gateway.Get("/quiet")
	missing := w.gateway.Get("/nothing")

	own := func(a harness.Answer) map[string]any {
		lines, err := readLines(filepath.Join(w.gateway.Dir, "own.log"))
		if err != nil {
			t.Fatal(err)
		}
		return lines[a.Header.Get("X-Request-Id")]
	}
	logged(t, w.gateway, missing.Header.Get("X-Request-Id"))
	harness.Within(t, harness.Patience, "the last line is written", func() error {
		if own(missing) == nil || own(full) == nil {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	for field, want := range map[string]any{"tenant": "acme", "ref": "r-7", "from": "orders-1", "query": "page=2&token=KEPT&coupon=REDACTED"} {
		if got := own(full)[field]; got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if line := own(missing); line["tenant"] != "" || line["from"] != "" {
		t.Errorf("a request without any of it: %v", line)
	}
	if own(quiet) != nil {
		t.Error("a route that is to be quiet has a line")
	}
	if line := logged(t, w.gateway, full.Header.Get("X-Request-Id")); line["query"] != "page=2&token=REDACTED&coupon=REDACTED" || line["tenant"] != nil {
		t.Errorf("in the usual log: %v", line)
	}
	logged(t, w.gateway, quiet.Header.Get("X-Request-Id"))
	status, body, err := w.gateway.AdminGet("/v1/config")
	if err != nil || status != http.StatusOK || !contains(body, `request.header[\"x-ref\"]`) {
		t.Errorf("the configuration is shown as %d %s %v", status, body, err)
	}
}

// readLines reads a log in JSON, by the ids of requests.
func readLines(file string) (map[string]map[string]any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := map[string]map[string]any{}
	for line := range strings.Lines(string(text)) {
		entry := map[string]any{}
		if !strings.HasSuffix(line, "\n") {
			break // still being written
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		id, _ := entry["request_id"].(string)
		lines[id] = entry
	}
	return lines, nil
}
