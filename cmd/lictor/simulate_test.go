package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/agent/simulate"
)

func TestSimulate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	policy, log, page := filepath.Join(dir, "p.hcl"), filepath.Join(dir, "access.log"), filepath.Join(dir, "report.html")
	for name, text := range map[string]string{
		policy: "limit \"token_bucket\" \"per_client\" {\n  rate  = \"1/m\"\n  burst = 2\n}\nroute \"a\" {\n  service = \"a\"\n  limits  = [\"per_client\"]\n}\n",
		log:    strings.Repeat("192.0.2.1 - - [04/May/2026:03:02:01 +0000] \"GET /<script> HTTP/1.1\" 200 5\n", 5),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := lictor(nil, "simulate", "-policy", policy, "-log", log, "-html", page)
	if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, "2 would go to a service, 3 would be told to come later (60.00 %; 0 when recorded)") {
		t.Errorf("%+v", r)
	}
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(html), "<h2>per_client</h2>") || strings.Contains(string(html), "<script>") {
		t.Errorf("%v\n%s", err, html)
	}
	var report simulate.Report
	r = lictor(nil, "simulate", "-policy", policy, "-log", log, "-json", "-format", "fabio")
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Denied != 3 || report.Logs[0].Format != "fabio" {
		t.Errorf("%v: %+v", err, r)
	}
	for _, args := range [][]string{
		{"-policy", policy, "-log", filepath.Join(dir, "missing")},
		{"-policy", policy, "-log", policy},
		{"-policy", policy, "-log", log, "-html", filepath.Join(dir, "missing", "r.html")},
		{"-policy", log, "-log", log},
	} {
		if r := lictor(nil, append([]string{"simulate"}, args...)...); r.code != exitFailed || r.stderr == "" || r.stdout != "" {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		read, size int64
		known      bool
		want       string
	}{
		{0, 4 << 20, true, "[                              ]   0 % of 4 MiB"},
		{2 << 20, 4 << 20, true, "[===============               ]  50 % of 4 MiB"},
		{5 << 20, 4 << 20, true, "[==============================] 100 % of 4 MiB"}, // it grew
		{5 << 20, 4 << 20, false, "5 MiB read"},
		{0, 0, true, "0 MiB read"},
	} {
		if got := bar(c.read, c.size, c.known); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.read, c.size, got, c.want)
		}
	}
}
