package simulate

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lictor/lictor/agent"
	"github.com/lictor/lictor/agent/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// policyOf loads a policy.
func policyOf(t testing.TB, path string) *config.Policy {
	t.Helper()
	p, _, diags := config.LoadPolicies(agent.ConfigOptions(), []string{path})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

// replayed replays logs against the policy of the tests.
func replayed(t testing.TB, host string, logs ...string) *Report {
	t.Helper()
	o := Options{Policy: policyOf(t, "testdata/policy.hcl"), Cores: 2, Host: host}
	for _, name := range logs {
		s, err := Open(name, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		o.Logs = append(o.Logs, s)
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update and look at the difference:\n%s", path, got)
	}
}

func TestReport(t *testing.T) {
	r := replayed(t, "", "testdata/log.jsonl")
	var text, page bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", text.Bytes())
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", raw)
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.html", page.Bytes())
}

// TestReportIsHarmless wants nothing of a log to be more than text, and nothing to
// be asked of others.
func TestReportIsHarmless(t *testing.T) {
	r := replayed(t, "", "testdata/log.jsonl")
	r.Logs[0].Name = `<script>alert("name")</script>`
	var text, page bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "<b>", "http://", "https://", "url(", "@import", "\x1b"} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
	if !strings.Contains(page.String(), "&lt;script&gt;alert(1)") {
		t.Error("the page doesn't show what was asked for")
	}
	if regexp.MustCompile(`(?i)\s(on\w+|href|src|action)\s*=\s*["']`).Match(page.Bytes()) {
		t.Error("the page has an attribute that does something")
	}
	if strings.ContainsAny(text.String(), "\x1b\x00\u009b") {
		t.Errorf("%q", text.String())
	}
}

// TestEmpty wants a report of a log with nothing in it.
func TestEmpty(t *testing.T) {
	name := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := replayed(t, "", name)
	var out bytes.Buffer
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteHTML(&out); err != nil || r.Requests != 0 || !strings.Contains(out.String(), "No request could be read") {
		t.Errorf("%v, %d requests:\n%s", err, r.Requests, out.String())
	}
}
