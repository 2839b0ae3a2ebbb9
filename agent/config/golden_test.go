package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/proxy/step/apikey"
	"github.com/lictor/lictor/proxy/step/basicauth"
	"github.com/lictor/lictor/proxy/step/compress"
	"github.com/lictor/lictor/proxy/step/cors"
	"github.com/lictor/lictor/proxy/step/externalauth"
	"github.com/lictor/lictor/proxy/step/grpcweb"
	"github.com/lictor/lictor/proxy/step/headers"
	"github.com/lictor/lictor/proxy/step/ipaccess"
	"github.com/lictor/lictor/proxy/step/jwt"
	"github.com/lictor/lictor/proxy/step/redirect"
	"github.com/lictor/lictor/proxy/step/rewrite"
	"github.com/lictor/lictor/proxy/step/securityheaders"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testOptions are what a gateway understands, but for the newest balancers.
func testOptions() Options {
	return Options{
		Balancers: []string{"least_conn", "round_robin", "random", "p2c"},
		ProviderBlocks: []ProviderBlock{{Type: "jwt", Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return jwt.DecodeProvider(b, c.Name, c.Range, c.Path)
		}}},
		StepBlocks: []StepBlock{{Type: "jwt", Repeatable: true, Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return jwt.DecodeRoute(b, c.Range, c.Providers["jwt"])
		}}, {Type: "ip_access", Everywhere: true, Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return ipaccess.Decode(b, c.Range, c.Path)
		}}, {Type: "external_auth", Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return externalauth.Decode(b, c.Range)
		}}, {Type: "compression", Defaults: true, Decode: func(b hcl.Body, _ BlockContext) (any, hcl.Diagnostics) {
			return compress.Decode(b)
		}}, {Type: "redirect", Answers: true, Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return redirect.Decode(b, c.Range, c.Route.Hosts, c.Route.Template())
		}}, {Type: "rewrite", Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return rewrite.Decode(b, c.Range, c.Route.Template())
		}}, {Type: "basic_auth", NamesUser: true, Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return basicauth.Decode(b, c.Range, c.Path)
		}}, {Type: "request_headers", Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return headers.DecodeRequest(b, c.Range, c.Route.Template())
		}}, {Type: "response_headers", Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return headers.DecodeResponse(b, c.Range, c.Route.Template())
		}}, {Type: "api_key", NamesUser: true, Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return apikey.Decode(b, c.Range, c.Path)
		}}, {Type: "cors", Defaults: true, Decode: func(b hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
			return cors.Decode(b, c.Range)
		}}, {Type: "security_headers", Defaults: true, Decode: func(b hcl.Body, _ BlockContext) (any, hcl.Diagnostics) {
			return securityheaders.Decode(b)
		}}, {Type: "grpc_web", Defaults: true, Decode: func(b hcl.Body, _ BlockContext) (any, hcl.Diagnostics) {
			return grpcweb.Decode(b)
		}}},
	}
}

// golden compares with a file beside the input.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("reading what is expected: %v", err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

func inputs(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range all {
		if info, err := os.Stat(p); err == nil && (info.IsDir() || IsConfigFile(filepath.Base(p))) {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		t.Fatalf("no input in testdata/%s", dir)
	}
	return out
}

// TestDiagnostics validates each input of testdata/errors, a file or a
// directory, and compares everything that is said about it.
func TestDiagnostics(t *testing.T) {
	for _, path := range inputs(t, "errors") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			files, diags := Validate(testOptions(), path)
			var b bytes.Buffer
			if err := files.Write(&b, diags, 100, false); err != nil {
				t.Fatal(err)
			}
			golden(t, path+".txt", b.String())
			if len(diags) == 0 {
				t.Error("nothing was said about it")
			}
		})
	}
}

// TestValues loads each input of testdata/values and compares what it means.
func TestValues(t *testing.T) {
	for _, path := range inputs(t, "values") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			in := Input{ConfigFiles: []string{path}, Options: testOptions()}
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				in.ConfigFiles, in.ConfigDirs = nil, []string{path}
			}
			c, files, diags := Load(in)
			var b bytes.Buffer
			if err := files.Write(&b, diags, 100, false); err != nil {
				t.Fatal(err)
			}
			if diags.HasErrors() {
				t.Fatalf("errors:\n%s", b.String())
			}
			view, err := json.MarshalIndent(c.Redacted(), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if c.NodeName == hostname() {
				view = bytes.ReplaceAll(view, []byte(`"node_name": "`+hostname()+`"`), []byte(`"node_name": "(hostname)"`))
			}
			golden(t, path+".txt", strings.TrimSpace(b.String()+string(view))+"\n")
		})
	}
}
