//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// Programs that ask for compression and undo it. Each prints the coding that it
// got, a new line, and the text.
const (
	nodeFetch = `const r = await fetch(process.argv[1], {headers: {"accept-encoding": process.argv[2]}});
process.stdout.write(r.headers.get("content-encoding") + "\n" + await r.text());`
	pythonFetch = `import sys, urllib.request, zlib
r = urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={"Accept-Encoding": sys.argv[2]}))
d = zlib.decompressobj(31)
sys.stdout.write(r.headers["Content-Encoding"] + "\n" + (d.decompress(r.read()) + d.flush()).decode())`
)

// Clients of all kinds get the text that the instance has sent, however it was
// sent.
func TestCompression(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "%d lictors walk before the consul\n", i)
	}
	app := harness.StartInstance(t, "app", "app-1")
	app.HandleAll(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
		}
		_, _ = io.WriteString(w, text.String()) // the client tells what is missing
	})
	g := harness.StartGateway(t, harness.Options{Config: fmt.Sprintf(`
service "app" {
  instance {
    address = %q
    port    = %d
  }
}
route "app" {
  service = "app"
  compression {}
}
`, app.Host, app.Port)})
	curl := func(arguments ...string) []string {
		return append([]string{harness.Program(t, "curl", "curl"), "-sS", "--compressed", "-w", `%{stderr}%header{content-encoding}\n`}, arguments...)
	}
	for _, c := range []struct {
		name    string
		command []string
		coding  string
	}{
		{"curl", curl("--http1.1", "-H", "Accept-Encoding: gzip"), "gzip"},
		{"curl with HTTP/2", curl("--http2-prior-knowledge", "-H", "Accept-Encoding: gzip"), "gzip"},
		{"curl as it likes", curl(), ""},
		{"node gzip", []string{harness.Program(t, "node", "nodejs"), "--input-type=module", "-e", nodeFetch, "URL", "gzip"}, "gzip"},
		{"node br", []string{harness.Program(t, "node", "nodejs"), "--input-type=module", "-e", nodeFetch, "URL", "gzip;q=0.5, br"}, "br"},
		{"python", []string{harness.Program(t, "python3", "python3"), "-c", pythonFetch, "URL", "gzip"}, "gzip"},
	} {
		for _, path := range []string{"/length", "/chunked"} {
			t.Run(c.name+path, func(t *testing.T) {
				arguments := append([]string(nil), c.command[1:]...)
				at := len(arguments) - 2
				if at < 0 || arguments[at] != "URL" {
					arguments, at = append(arguments, "URL"), len(arguments)
				}
				arguments[at] = g.URL(path)
				stdout, stderr := runBoth(t, c.command[0], arguments...)
				coding, got := strings.TrimSpace(stderr), stdout
				if coding == "" {
					coding, got, _ = strings.Cut(stdout, "\n")
				}
				if got != text.String() || coding == "" || c.coding != "" && coding != c.coding {
					t.Errorf("by %q %d bytes of %d", coding, len(got), text.Len())
				}
			})
		}
	}
	// The log has what went over the wire.
	g.Stop()
	lines, err := g.AccessLog()
	if err != nil || len(lines) != 12 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for _, l := range lines {
		if n, _ := l["bytes_out"].(float64); n == 0 || n > float64(text.Len()/3) {
			t.Errorf("%v bytes went to %v", l["bytes_out"], l["user_agent"])
		}
	}
}

// runBoth runs a program and returns what it prints in either place.
func runBoth(t *testing.T, name string, arguments ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	c := exec.CommandContext(t.Context(), name, arguments...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, errs.String())
	}
	return out.String(), errs.String()
}
