//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
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

// A file is put away when it is full, and the oldest go. Lines are in one file each.
func TestLogsArePutAway(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, harness.Options{
		Policies: ordersRoute,
		Config:   "access_log {\n  path = \"small.log\"\n  rotate {\n    size = \"64KiB\"\n    keep = 2\n  }\n}\n",
	})
	path := filepath.Join(w.gateway.Dir, "small.log")
	var last harness.Answer
	harness.Within(t, harness.Patience, "files are put away", func() error {
		for range 200 {
			last = w.gateway.Get("/orders?" + strings.Repeat("x", 500))
		}
		names, err := filepath.Glob(path + ".*")
		if err == nil && len(names) != 2 {
			err = fmt.Errorf("there are %q", names)
		}
		return err
	})
	logged(t, w.gateway, last.Header.Get("X-Request-Id"))
	if code := w.gateway.Stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) != 3 {
		t.Fatalf("there are %q, %v", names, err)
	}
	seen := map[string]string{}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || info.Size() > 64<<10 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		lines, err := readLines(name)
		if err != nil || len(lines) == 0 {
			t.Errorf("%s: %d lines, %v", name, len(lines), err)
		}
		for id := range lines {
			if other, twice := seen[id]; twice {
				t.Errorf("%s is in %s and in %s", id, other, name)
			}
			seen[id] = name
		}
	}
	if seen[last.Header.Get("X-Request-Id")] == "" {
		t.Error("the last line is lost")
	}
}

// Lines go to a syslog server, and nowhere while there is none: nobody waits.
func TestLogsToSyslog(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	away, err := process.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldWith(t, 1, harness.Options{
		Policies: ordersRoute,
		Config: fmt.Sprintf("access_log {\n  syslog {\n    address = \"udp://%s\"\n    tag = \"edge\"\n  }\n}\n", l.LocalAddr()) +
			fmt.Sprintf("access_log {\n  syslog {\n    address = \"tcp://127.0.0.1:%d\"\n  }\n}\n", away[0]),
	})
	a := w.gateway.Get("/orders")
	if a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if err := l.SetReadDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, _, err := l.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	head, line, _ := strings.Cut(string(b[:n]), " access - ")
	if !strings.HasPrefix(head, "<134>1 ") || !strings.Contains(head, " edge-test edge ") {
		t.Errorf("the entry begins with %q", head)
	}
	var entry map[string]any
	if err := json.Unmarshal([]byte(line), &entry); err != nil || entry["request_id"] != a.Header.Get("X-Request-Id") {
		t.Errorf("the message is %q: %v", line, err)
	}
	harness.Within(t, harness.Patience, "lost lines are counted, and it is told", func() error {
		if w.gateway.Metric(t, "lictor_access_log_dropped_total") == 0 {
			return errors.New("none is counted")
		}
		if !w.gateway.Log.Contains("lines are lost") {
			return errors.New("it is not told")
		}
		return nil
	})
	if n := w.gateway.Log.Count("access log can't be written, lines are lost"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
}
