package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func logTo(file, format string) string {
	return fmt.Sprintf("access_log {\n  path = %q\n  format = %q\n}\n", file, format)
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// Lines go on into the old file after it was renamed, and into a new one once
// the log was reopened. None is lost, not the last one either.
func TestAccessLogIsReopened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, old := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
	g := start(t, logTo(file, "json")).awaitReady()
	g.get("/first")
	rename(t, file, old)
	g.get("/second")
	eventually(t, "both are written", func() bool { // each after its answer
		b, err := os.ReadFile(old)
		return err == nil && strings.Contains(string(b), "/first") && strings.Contains(string(b), "/second")
	})
	g.ReopenLogs(t.Context())
	g.get("/third")
	g.stop()
	g.await()
	for name, want := range map[string][]string{old: {"/first", "/second"}, file: {"/third"}} {
		var got []string // in no order: each processor gathers its own lines
		for _, l := range lines(t, name) {
			var v struct {
				Path   string
				Status int
			}
			if err := json.Unmarshal([]byte(l), &v); err != nil || v.Status != 404 {
				t.Errorf("%s: %q: %v", name, l, err)
			}
			got = append(got, v.Path)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
}

// When the new file can't be opened the old one stays in use, and that is said.
func TestAccessLogCannotBeReopened(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	mkdir(t, dir)
	g := start(t, logTo(filepath.Join(dir, "access.log"), "common")).awaitReady()
	rename(t, dir, dir+".old")
	g.ReopenLogs(t.Context())
	if g.log.count("access log can't be reopened: path=") != 1 {
		t.Errorf("nothing is said:\n%s", g.log)
	}
	g.get("/still")
	g.stop()
	g.await()
	if got := lines(t, filepath.Join(dir+".old", "access.log")); len(got) != 1 || !strings.Contains(got[0], `"GET /still HTTP/1.1" 404`) {
		t.Errorf("%q", got)
	}
}

func TestAccessLogOnStandardOutput(t *testing.T) {
	t.Parallel()
	g := start(t, logTo("-", "combined")).awaitReady()
	g.get("/x", "User-Agent: test/1")
	g.stop()
	g.await()
	if s := g.stdout.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, `"GET /x HTTP/1.1" 404`) || !strings.HasSuffix(s, "\"test/1\"\n") {
		t.Errorf("%q", s)
	}
}

func TestAccessLogOff(t *testing.T) {
	t.Parallel()
	g := start(t, logTo("-", "off")).awaitReady()
	g.get("/x")
	g.ReopenLogs(t.Context()) // has nothing to do
	g.stop()
	g.await()
	if s := g.stdout.String(); s != "" || g.log.count("access log") != 0 {
		t.Errorf("%q, and the log says\n%s", s, g.log)
	}
}
