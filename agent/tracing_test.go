package agent

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// secureCollector is a collector behind TLS, and the file of who vouches for it.
func secureCollector(t *testing.T) (url, ca string, exports <-chan http.Header) {
	t.Helper()
	got := make(chan http.Header, 100)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.Header
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return s.URL, ca, got
}

func tracingBlock(url, more string) string {
	return fmt.Sprintf("tracing {\n  otlp_endpoint = %q\n  sample_ratio = 1\n%s\n}\n", url, more)
}

// Exports go by TLS to whom the authority vouches for, with the secrets that the files
// hold at the time.
func TestTracesBySecureWay(t *testing.T) {
	t.Parallel()
	url, ca, exports := secureCollector(t)
	dir := t.TempDir()
	token, headers := filepath.Join(dir, "token"), filepath.Join(dir, "headers")
	write(t, token, "first\n")
	write(t, headers, "# a comment\nX-Team: edge\n")
	g := start(t, tracingBlock(url, fmt.Sprintf("ca_file = %q\ntoken_file = %q\nheaders_file = %q", ca, token, headers))).awaitReady()
	g.get("/a")
	h := <-exports
	if h.Get("Authorization") != "Bearer first" || h.Get("X-Team") != "edge" || h.Get("User-Agent") != "lictor/test" || h.Get("Content-Encoding") != "gzip" {
		t.Errorf("exported with %v", h)
	}
	write(t, token, "second\n")
	g.get("/b")
	if h = <-exports; h.Get("Authorization") != "Bearer second" {
		t.Errorf("exported with %v", h)
	}
	eventually(t, "both are counted", func() bool { return g.traces.Counts().Exported == 2 })
	g.stop()
	g.await()
	if strings.Contains(g.log.String(), "second") {
		t.Errorf("the token is in the log:\n%s", g.log)
	}
}

// A collector that nobody vouches for gets nothing, the token least of all.
func TestTracesNotToStrangers(t *testing.T) {
	t.Parallel()
	url, _, exports := secureCollector(t)
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "secret\n")
	g := start(t, tracingBlock(url, fmt.Sprintf("token_file = %q", token))).awaitReady()
	g.get("/a")
	eventually(t, "it is told", func() bool { return g.log.count("traces can't be exported") == 1 })
	g.stop()
	g.await()
	if len(exports) > 0 || g.traces.Counts().Failed != 1 {
		t.Errorf("%d exports, %+v", len(exports), g.traces.Counts())
	}
}

// What can't be read is told at the start.
func TestTracingNeedsItsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty, bad := filepath.Join(dir, "empty"), filepath.Join(dir, "bad")
	write(t, empty, "")
	write(t, bad, "no colon SECRET\n")
	for inside, want := range map[string]string{
		`token_file = "` + filepath.Join(dir, "none") + `"`:   "none",
		`token_file = "` + empty + `"`:                        "empty",
		`headers_file = "` + filepath.Join(dir, "none") + `"`: "none",
		`headers_file = "` + bad + `"`:                        "line 1",
		`ca_file = "` + empty + `"`:                           "empty",
	} {
		if _, err := build(t, tracingBlock("https://127.0.0.1:4318", inside)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", inside, err)
		}
	}
}
