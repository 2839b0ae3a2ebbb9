package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// unpack returns the files of a bundle by their names below its folder.
func unpack(t *testing.T, file string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the bundle is for others, too: %v %v", info.Mode(), err)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		folder, name, _ := strings.Cut(h.Name, "/")
		if !strings.HasPrefix(folder, "lictor-debug-") || files[name] != nil {
			t.Errorf("%s in the bundle", h.Name)
		}
		if files[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// A bundle of a gateway with a secret in every place that may hold one has everything
// but those.
func TestDebug(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	const planted = "planted-secret"
	text := fmt.Sprintf(`
listener "public" {
  address = "127.0.0.1:0"
}
admin {
  address    = "127.0.0.1:0"
  token_file = %q
}
access_log {
  format = "off"
}
policies {
  watch = false
}
consul {
  address    = "127.0.0.1:1"
  token_file = %q
}
store "redis" {
  address       = "127.0.0.1:1"
  password_file = %q
}
service "orders" {
  instance {
    address = "127.0.0.1"
    port    = 1
  }
}
jwt "main" {
  algorithms = ["HS256"]
  json_web_key_set {
    hmac {
      secret_file = %q
    }
  }
}
route "orders" {
  path_prefix = "/"
  service     = "orders"
  jwt {
    provider = "main"
  }
  request_headers {
    set = { "Authorization" = "Bearer %s-8" }
  }
  external_auth {
    url = "http://127.0.0.1:1/?key=%s-9"
  }
}
route "keys" {
  path    = "/keys"
  service = "orders"
  api_key {
    header    = "X-API-Key"
    keys_file = %q
  }
}
`, write("admin.token", planted+"-1"), write("consul.token", planted+"-2"), write("redis.password", planted+"-3"),
		write("hmac.secret", strings.Repeat(planted+"-4", 4)), planted, planted,
		write("api.keys", "shop sha256:"+strings.Repeat("ab", 32)+"\n"))
	_, admin := serve(t, write("lictor.hcl", text))
	out := filepath.Join(dir, "bundle.tar.gz")
	r := lictor(map[string]string{"LICTOR_ADDR": admin, "LICTOR_TOKEN": planted + "-1"}, "debug", "-duration", "1s", "-interval", "400ms", "-output", out)
	if r.code != 0 || !strings.Contains(r.stdout, "Wrote "+out) || !strings.Contains(r.stdout, "pprof/trace.out") {
		t.Fatalf("%+v", r)
	}
	files := unpack(t, out)
	for _, name := range []string{
		"index.json", "host.json", "tool.json", "health.json", "config.json", "policies.json", "gateway.log",
		"000/routes.json", "000/services.json", "000/limits.json", "000/ready.json", "000/metrics.txt", "001/metrics.txt", "001/routes.json",
		"pprof/profile.pb.gz", "pprof/trace.out", "pprof/begin-heap.pb.gz", "pprof/begin-goroutine.txt", "pprof/end-allocs.pb.gz", "pprof/end-mutex.pb.gz",
	} {
		if files[name] == nil {
			t.Errorf("%s is not in the bundle", name)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(files[name]) {
			t.Errorf("%s is no JSON: %s", name, files[name])
		}
	}
	for name, content := range files {
		for _, form := range [][]byte{content, unzipped(content)} {
			if bytes.Contains(form, []byte(planted)) || bytes.Contains(form, bytes.Repeat([]byte("ab"), 32)) {
				t.Errorf("%s holds a secret: %s", name, form)
			}
		}
	}
	if !bytes.Contains(files["config.json"], []byte(`"orders"`)) || !bytes.Contains(files["pprof/begin-goroutine.txt"], []byte("goroutine ")) ||
		!bytes.Contains(files["000/metrics.txt"], []byte("lictor_build_info")) || !bytes.Contains(files["000/ready.json"], []byte(`"ready"`)) {
		t.Error("what is in the bundle is not the gateway's")
	}
	// The one before is kept.
	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if r := lictor(map[string]string{"LICTOR_ADDR": admin, "LICTOR_TOKEN": planted + "-1"}, "debug", "-output", out); r.code != 1 || !strings.Contains(r.stderr, "exists") {
		t.Errorf("%+v", r)
	}
	if after, err := os.ReadFile(out); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the bundle of before is another one now: %v", err)
	}
	if r := lictor(map[string]string{"LICTOR_ADDR": admin, "LICTOR_TOKEN": "wrong"}, "debug", "-output", out+"2"); r.code != 1 || !strings.Contains(r.stderr, "LICTOR_TOKEN") {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(out + "2"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a bundle of nothing: %v", err)
	}
}

// unzipped is the content of a compressed profile, nil for anything else.
func unzipped(p []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(p))
	if err != nil {
		return nil
	}
	all, _ := io.ReadAll(z)
	return all
}

// What can't be had is told, in the bundle and by the exit code, and the token is
// nowhere even where the gateway repeats it.
func TestDebugPartly(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/limits":
			http.Error(w, `{"title":"oops `+r.Header.Get("Authorization")+`"}`, http.StatusInternalServerError)
		case r.URL.Path == "/v1/monitor":
			http.NotFound(w, r)
		default:
			fmt.Fprintf(w, `{"you":%q}`, r.Header.Get("Authorization"))
		}
	}))
	t.Cleanup(s.Close)
	out := filepath.Join(t.TempDir(), "bundle.tar.gz")
	r := lictor(map[string]string{"LICTOR_ADDR": s.URL, "LICTOR_TOKEN": "hush-hush"}, "debug", "-duration", "1s", "-interval", "1s", "-pprof=false", "-output", out)
	if r.code != 1 || !strings.Contains(r.stderr, "missing or cut short: gateway.log: 404") || !strings.Contains(r.stderr, "which its index.json tells") || strings.Contains(r.stderr, "hush-hush") {
		t.Errorf("%+v", r)
	}
	files := unpack(t, out)
	var index bundleIndex
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, f := range index.Failures {
		failed = append(failed, f.Name)
	}
	if !slices.Contains(failed, "000/limits.json") || !slices.Contains(failed, "gateway.log") || index.Early || index.Gateway != s.URL || len(index.Files) != len(files)-1 {
		t.Errorf("%+v", index)
	}
	if string(files["000/routes.json"]) != `{"you":"Bearer `+hidden+`"}` {
		t.Errorf("%s", files["000/routes.json"])
	}
	for name, content := range files {
		if bytes.Contains(content, []byte("hush-hush")) {
			t.Errorf("the token is in %s", name)
		}
	}
}

// Ctrl-C ends a bundle with what there is.
func TestDebugEndsEarly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/debug/pprof/profile" { // which takes an hour
			cancel()
			<-r.Context().Done()
			return
		}
		if r.URL.Path == "/v1/monitor" {
			io.WriteString(w, "a line\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		io.WriteString(w, "{}")
	}))
	t.Cleanup(s.Close)
	f := debugFlags{duration: time.Hour, interval: time.Hour, output: filepath.Join(t.TempDir(), "bundle.tar.gz"), pprof: true}
	var out, errs bytes.Buffer
	if err := f.debug(ctx, env{stdout: &out, stderr: &errs}, &client{base: s.URL}, false); err == nil || !strings.Contains(errs.String(), "pprof/profile.pb.gz: the bundle was ended early") {
		t.Errorf("%v %s", err, errs.String())
	}
	files := unpack(t, f.output)
	if !bytes.Contains(files["index.json"], []byte(`"ended_early": true`)) || files["host.json"] == nil {
		t.Errorf("%s", files["index.json"])
	}
}
