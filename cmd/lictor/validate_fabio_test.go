package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestValidateFabio lists what the tags of a Consul amount to.
func TestValidateFabio(t *testing.T) {
	consul := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Consul-Index", "7")
		entry := func(name, id string, tags ...string) map[string]any {
			return map[string]any{
				"Node":    map[string]any{"Node": "n1", "Address": "10.0.0.1"},
				"Service": map[string]any{"ID": id, "Service": name, "Port": 80, "Tags": tags}, "Checks": []any{},
			}
		}
		var v any
		switch r.URL.Path {
		case "/v1/catalog/services":
			v = map[string][]string{"web": {"urlprefix-/web", "urlprefix-:33 proto=tcp"}, "db": {"v1"}, "legacy": {"urlprefix-/legacy"}}
		case "/v1/health/service/web":
			v = []any{entry("web", "web-1", "urlprefix-/web strip=/web odd=\x1b[2J", "urlprefix-:33 proto=tcp"), entry("web", "web-2")}
		case "/v1/health/service/legacy":
			v = []any{entry("legacy", "l", "urlprefix-/legacy")}
		default:
			w.WriteHeader(http.StatusForbidden)
		}
		_ = json.NewEncoder(w).Encode(v)
	}))
	defer consul.Close()
	file := filepath.Join(t.TempDir(), "lictor.hcl")
	run := func(block string, args ...string) (code int, stdout, stderr string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("listener \"public\" {\n  address = \"127.0.0.1:0\"\n}\nservice \"legacy\" {\n  instance {\n    address = \"10.0.0.9\"\n    port = 80\n  }\n}\n"+block), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code = dispatch(env{stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}, append([]string{"validate", "-fabio"}, append(args, file)...))
		return code, out.String(), errs.String()
	}
	code, stdout, stderr := run("consul {\n  address = \"" + consul.Listener.Addr().String() + "\"\n}\n")
	if code != exitOK {
		t.Fatalf("ended with %d: %s%s", code, stdout, stderr)
	}
	for _, want := range []string{
		"# Service \"legacy\".\n", "a static service of the configuration has that name",
		"# Service \"web\".\n", `instance "n1/web-1", tag "urlprefix-:33 proto=tcp": no route is made of it`, `can't be shown`,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "\x1b") || !strings.Contains(stderr, "lacks fabio_tags = true") || !strings.Contains(stderr, "0 routes, with 3 warnings") {
		t.Errorf("got %q and %q", stdout, stderr)
	}
	if code, _, stderr := run(""); code != exitFailed || !strings.Contains(stderr, "no consul block") {
		t.Errorf("without a consul block: %d %s", code, stderr)
	}
	if code, _, stderr := run("consul {\n  address = \"127.0.0.1:1\"\n}\n"); code != exitFailed || !strings.Contains(stderr, "asking Consul for its services") {
		t.Errorf("without Consul: %d %s", code, stderr)
	}
	if code, _, stderr := run("consul {\n  servce = \"x\"\n}\n"); code != exitFailed || !strings.Contains(stderr, "servce") {
		t.Errorf("a broken configuration: %d %s", code, stderr)
	}
}
