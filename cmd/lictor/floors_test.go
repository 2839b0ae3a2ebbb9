package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/lictor/lictor"

// floor forbids a group of packages to depend on others, directly or through any
// other package. Patterns are import paths, ours without the module's path; a
// pattern that ends in /... covers the package and all below it, and one that
// ends in /* the packages just below it.
type floor struct {
	packages  []string
	forbidden []string
	because   string
}

// The floors, from the lowest up. See DESIGN.md.
var floors = []floor{
	{
		packages:  []string{"catalog"},
		forbidden: []string{"not-standard"},
		because:   "the catalog's values are shared by all floors and import the standard library alone",
	},
	{
		packages:  []string{"attr"},
		forbidden: []string{"net/http", "github.com/hashicorp/consul/...", "catalog/...", "limits/...", "proxy/...", "agent/..."},
		because:   "reading attributes knows nothing of what they are for",
	},
	{
		packages:  []string{"breaker"},
		forbidden: []string{"not-standard", "net/http"},
		because:   "a circuit breaker knows nothing of what it breaks",
	},
	{
		packages:  []string{"limits"},
		forbidden: []string{"net/http", "github.com/hashicorp/consul/...", "catalog/...", "limits/*", "proxy/...", "agent/..."},
		because:   "a limit knows neither HTTP nor Consul, nor the stores that serve it",
	},
	{
		packages:  []string{"limits/*"},
		forbidden: []string{"catalog/...", "proxy/...", "agent/...", "github.com/hashicorp/consul/..."},
		because:   "a store serves limits and knows nothing above or beside them",
	},
	{
		packages:  []string{"catalog/*"},
		forbidden: []string{"limits/...", "proxy/...", "agent/..."},
		because:   "a source fills the catalog and knows nothing above or beside it",
	},
	{
		packages:  []string{"proxy/upstream/..."},
		forbidden: []string{"proxy", "limits/..."},
		because:   "upstream lies below the story of a request, and picks by load, never by quota",
	},
	{
		packages:  []string{"proxy/splice"},
		forbidden: []string{"not-standard"},
		because:   "it moves bytes and knows nothing of whose they are",
	},
	{
		packages:  []string{"proxy/..."},
		forbidden: []string{"agent/...", "catalog/*", "limits/*", "github.com/hashicorp/consul/..."},
		because:   "the proxy knows the catalog's and the limits' values, not where they come from",
	},
	{
		packages:  []string{"proxy", "proxy/step/..."},
		forbidden: []string{"proxy/http1/...", "proxy/http3/...", "proxy/nethttp/...", "proxy/tcp/..."},
		because:   "no part of the pipeline knows which engine it runs on",
	},
	{
		packages:  []string{"proxy", "proxy/http1/...", "proxy/http3/...", "proxy/nethttp/...", "proxy/tcp/..."},
		forbidden: []string{"proxy/step/..."},
		because:   "steps are handed to the pipeline by the agent",
	},
	{
		packages:  []string{"proxy", "proxy/http1/...", "proxy/nethttp/...", "proxy/step/..."},
		forbidden: []string{"go.opentelemetry.io/..."},
		because:   "only what is sampled comes to the tracing SDK, by way of proxy/tracing",
	},
	{
		packages:  []string{"cmd/...", "agent/...", "proxy/..."},
		forbidden: []string{"google.golang.org/grpc/..."},
		because:   "OTLP goes over HTTP; gRPC would add a sixth to the binary",
	},
	{
		packages:  []string{"agent/..."},
		forbidden: []string{"cmd/..."},
		because:   "the command runs the agent, not the other way round",
	},
	{
		packages:  []string{"cmd/...", "agent/...", "attr", "breaker", "catalog/...", "limits/...", "proxy/..."},
		forbidden: []string{"e2e/...", "testing", "github.com/hashicorp/consul/agent/...", "github.com/hashicorp/consul/connect/..."},
		because:   "what ships links neither test code nor Consul's internals",
	},
}

// siblings are groups whose members never depend on one another, each with the
// packages below it.
var siblings = [][]string{
	{"catalog/*"},
	{"limits/*"},
	{"proxy/http1", "proxy/http3", "proxy/nethttp", "proxy/tcp"},
	{"proxy/step/*"},
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// graph holds packages by their short path.
type graph map[string]listed

// short returns an import path without the module's.
func short(path string) string { return strings.TrimPrefix(path, module+"/") }

func (g graph) ours(path string) bool { return strings.HasPrefix(g[path].ImportPath, module+"/") }

// matches says whether the pattern covers the package.
func (g graph) matches(pattern, path string) bool {
	if pattern == "not-standard" {
		p, known := g[path]
		return known && !p.Standard
	}
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == tree || strings.HasPrefix(path, tree+"/")
	}
	if parent, ok := strings.CutSuffix(pattern, "/*"); ok {
		below, ok := strings.CutPrefix(path, parent+"/")
		return ok && below != "" && !strings.Contains(below, "/")
	}
	return path == pattern
}

// chains returns, for everything that the package depends on, the imports that
// lead there, shortest first found.
func (g graph) chains(from string) map[string][]string {
	found := map[string][]string{}
	queue := [][]string{{from}}
	for len(queue) > 0 {
		chain := queue[0]
		queue = queue[1:]
		for _, imported := range g[chain[len(chain)-1]].Imports {
			path := short(imported)
			if _, seen := found[path]; seen || path == from {
				continue
			}
			found[path] = append(slices.Clone(chain), path)
			queue = append(queue, found[path])
		}
	}
	return found
}

// violations returns one line for each dependency that the floors forbid, sorted.
func (g graph) violations() []string {
	var lines []string
	for path := range g {
		if !g.ours(path) {
			continue
		}
		for to, chain := range g.chains(path) {
			for _, f := range floors {
				anyOf := func(patterns []string, path string) bool {
					return slices.ContainsFunc(patterns, func(p string) bool { return g.matches(p, path) })
				}
				if anyOf(f.packages, path) && anyOf(f.forbidden, to) {
					lines = append(lines, fmt.Sprintf("%s: %s", strings.Join(chain, " -> "), f.because))
				}
			}
			for _, group := range siblings {
				a, b := g.member(group, path), g.member(group, to)
				if a != "" && b != "" && a != b {
					lines = append(lines, fmt.Sprintf("%s: siblings never import each other", strings.Join(chain, " -> ")))
				}
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// member returns the member of the group that the package is or lies below, or "".
func (g graph) member(group []string, path string) string {
	for candidate := path; candidate != "." && candidate != ""; candidate = filepath.ToSlash(filepath.Dir(candidate)) {
		for _, pattern := range group {
			if g.matches(pattern, candidate) {
				return candidate
			}
		}
	}
	return ""
}

func TestFloors(t *testing.T) {
	command := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports", module+"/...")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.Bytes())
	}
	g := graph{}
	ours := 0
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("decoding go list's answer: %v", err)
		}
		g[short(p.ImportPath)] = p
		if g.ours(short(p.ImportPath)) {
			ours++
		}
	}
	if ours < 3 || !g["net/http"].Standard {
		t.Fatalf("go list knows %d packages of ours and net/http as %+v: it did not see this module", ours, g["net/http"])
	}
	for _, line := range g.violations() {
		t.Error(line)
	}
}

// What is never seen to fail may not be able to.
func TestFloorsRefuse(t *testing.T) {
	for _, test := range []struct {
		name    string
		imports map[string][]string // package -> what it imports
		want    []string            // chains that are refused
	}{
		{"allowed", map[string][]string{
			"agent": {"proxy", "catalog/consul", "limits/redis"}, "proxy": {"proxy/upstream", "limits"}, "proxy/upstream": {"catalog"},
			"catalog/consul": {"catalog", "github.com/hashicorp/consul/api"}, "catalog": {"net/netip"}, "proxy/http1/wire": {"proxy"},
		}, nil},
		{"catalog beyond the standard library", map[string][]string{"catalog": {"golang.org/x/sys"}}, []string{"catalog -> golang.org/x/sys"}},
		{"a breaker that knows something", map[string][]string{"breaker": {"limits"}}, []string{"breaker -> limits"}},
		{"limits through a third", map[string][]string{"limits": {"golang.org/x/sys"}, "golang.org/x/sys": {"net/http"}}, []string{"limits -> golang.org/x/sys -> net/http"}},
		{"upwards", map[string][]string{"proxy/upstream": {"proxy"}}, []string{"proxy/upstream -> proxy"}},
		{"pipeline on engine", map[string][]string{"proxy": {"proxy/http1"}}, []string{"proxy -> proxy/http1"}},
		{"engines", map[string][]string{"proxy/http1/wire": {"proxy/nethttp"}}, []string{"proxy/http1/wire -> proxy/nethttp"}},
		{"steps", map[string][]string{"proxy/step/jwt": {"proxy/step/limit"}}, []string{"proxy/step/jwt -> proxy/step/limit"}},
		{"sources", map[string][]string{"catalog/static": {"catalog/consul"}}, []string{"catalog/static -> catalog/consul"}},
		{"shipping test code", map[string][]string{"agent": {"e2e/process"}}, []string{"agent -> e2e/process"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := graph{}
			for from, imports := range test.imports {
				for _, path := range append([]string{from}, imports...) {
					if _, known := g[path]; !known {
						g[path] = made(path, test.imports[path])
					}
				}
			}
			got := g.violations()
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			for i, line := range got {
				if chain, _, _ := strings.Cut(line, ": "); chain != test.want[i] {
					t.Errorf("got %q, want %q", chain, test.want[i])
				}
			}
		})
	}
}

// made returns a package as `go list` would describe it.
func made(path string, imports []string) listed {
	top, _, _ := strings.Cut(path, "/")
	switch {
	case slices.Contains([]string{"agent", "attr", "breaker", "catalog", "cmd", "e2e", "limits", "proxy"}, top):
		path = module + "/" + path
	case !strings.Contains(top, "."):
		return listed{ImportPath: path, Standard: true}
	}
	return listed{ImportPath: path, Imports: imports}
}

// Some imports are allowed to certain files only, tests and every system's files
// included, so these rules read the files.
func TestImportsByFile(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); path != root && (name == "testdata" || strings.HasPrefix(name, ".") && name != "..") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		files++
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return checkFile(t, path, filepath.ToSlash(name))
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("found only %d Go files under %s", files, root)
	}
}

func checkFile(t *testing.T, path, name string) error {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return fmt.Errorf("reading the imports of %s: %w", name, err)
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("reading the imports of %s: %w", name, err)
		}
		if why := refuseImport(name, imported); why != "" {
			t.Errorf("%s imports %s: %s", name, imported, why)
		}
	}
	return nil
}

// refuseImport returns why the file may not import the package, or "".
func refuseImport(file, imported string) string {
	under := func(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }
	switch {
	case under(imported, "github.com/armon/go-metrics"):
		if base := filepath.Base(file); base != "metrics.go" && base != "metrics_test.go" &&
			file != "agent/telemetry.go" && file != "agent/telemetry_test.go" {
			return "only metrics.go files and agent/telemetry.go do; the request path touches plain atomics"
		}
	case under(imported, "github.com/hashicorp/go-metrics"):
		return "Consul's client speaks to armon/go-metrics; two of them would split the sinks"
	case under(file, "e2e") && under(imported, module) && !under(imported, module+"/e2e"):
		return "end-to-end tests drive the built binary only"
	case !under(file, "e2e") && under(imported, module+"/e2e"):
		return "nothing depends on the end-to-end tests"
	}
	return ""
}

func TestImportsByFileRefuse(t *testing.T) {
	for _, test := range []struct {
		file, imported string
		refused        bool
	}{
		{"agent/telemetry.go", "github.com/armon/go-metrics", false},
		{"limits/metrics.go", "github.com/armon/go-metrics", false},
		{"agent/agent.go", "github.com/armon/go-metrics/prometheus", true},
		{"agent/telemetry.go", "github.com/hashicorp/go-metrics", true},
		{"e2e/limits_test.go", module + "/limits", true},
		{"e2e/limits_test.go", module + "/e2e/harness", false},
		{"proxy/http1/server_test.go", module + "/e2e/harness", true},
		{"proxy/http1/server.go", module + "/proxy", false},
	} {
		if why := refuseImport(test.file, test.imported); (why != "") != test.refused {
			t.Errorf("%s importing %s: refused because %q, want refused=%t", test.file, test.imported, why, test.refused)
		}
	}
}
