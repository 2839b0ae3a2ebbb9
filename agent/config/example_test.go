package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy/step/limit"
)

const examplePath = "../../config.hcl.example"

// setting is a setting, or a line of a block, behind a comment sign, as opposed to
// prose.
var setting = regexp.MustCompile(`^(\s*)# (\s*(?:[a-z][a-z0-9_]*\s* = \S.*|[a-z_]+ \{|\}))$`)

// block is a line of a whole block behind comment signs: its head, its end, or a
// setting or comment in it.
var block = regexp.MustCompile(`^(\s*)# ([a-z][a-z0-9_]*( "[^"]*")? \{|\}|  +(#|\}|[a-z][a-z0-9_]* (=|\{)).*)$`)

// uncomment makes settings of what the example has behind a comment sign. A
// paragraph that says that it is an example is left as it is unless examples is
// set.
func uncomment(text string, examples bool) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		flat := strings.Join(strings.Fields(strings.ReplaceAll(p, "#", " ")), " ")
		if !examples && regexp.MustCompile(`(This is an example|are examples)\.`).MatchString(flat) {
			continue
		}
		lines := strings.Split(p, "\n")
		for j, l := range lines {
			lines[j] = setting.ReplaceAllString(l, "$1$2")
			if examples {
				lines[j] = block.ReplaceAllString(lines[j], "$1$2")
			}
		}
		paragraphs[i] = strings.Join(lines, "\n")
	}
	return strings.Join(paragraphs, "\n\n")
}

func exampleText(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func loadText(t *testing.T, text string) *Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, files, diags := Load(Input{ConfigFiles: []string{path}, Options: testOptions()})
	if len(diags) > 0 {
		var b strings.Builder
		if err := files.Write(&b, diags, 0, false); err != nil {
			t.Fatal(err)
		}
		t.Fatal(b.String())
	}
	return c
}

// TestExampleIsValid wants not even a warning.
func TestExampleIsValid(t *testing.T) {
	files, diags := Validate(testOptions(), examplePath)
	if len(diags) > 0 {
		var b strings.Builder
		if err := files.Write(&b, diags, 0, false); err != nil {
			t.Fatal(err)
		}
		t.Error(b.String())
	}
}

// TestExampleStatesDefaults wants nothing to change when the defaults that the
// example states are written out.
func TestExampleStatesDefaults(t *testing.T) {
	text := exampleText(t)
	written := uncomment(text, false)
	if strings.Count(written, "\n#")+strings.Count(written, " # ") >= strings.Count(text, "\n#")+strings.Count(text, " # ") {
		t.Fatal("no default was written out")
	}
	plain, explicit := loadText(t, text).Redacted(), loadText(t, written).Redacted()
	if !reflect.DeepEqual(plain, explicit) {
		t.Errorf("what is said to be a default is none: got\n%v\nwith defaults written out\n%v", plain, explicit)
	}
}

// TestExampleIsComplete wants every attribute and block of the schema in the
// example, each in its place.
func TestExampleIsComplete(t *testing.T) {
	file, diags := hclparse.NewParser().ParseHCL([]byte(uncomment(exampleText(t), true)), "example")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, c := range schemas(t) {
		bodies := []*hclsyntax.Body{file.Body.(*hclsyntax.Body)}
		for _, typ := range c.path {
			bodies = inside(bodies, typ)
		}
		if len(bodies) == 0 {
			t.Errorf("the example has no %s", strings.Join(c.path, "."))
			continue
		}
		for _, a := range c.schema.Attributes {
			if !slices.ContainsFunc(bodies, func(b *hclsyntax.Body) bool { return b.Attributes[a.Name] != nil }) {
				t.Errorf("the example lacks %s in %q", a.Name, strings.Join(c.path, "."))
			}
		}
		for _, b := range c.schema.Blocks {
			if len(inside(bodies, b.Type)) == 0 {
				t.Errorf("the example lacks a %s block in %q", b.Type, strings.Join(c.path, "."))
			}
		}
	}
}

type placed struct {
	path   []string // types of blocks, from the top; a limit's has its algorithm
	schema *hcl.BodySchema
}

// schemas returns every schema of the language and its place. A block type
// without an entry here fails the test.
func schemas(t *testing.T) []placed {
	t.Helper()
	top := &hcl.BodySchema{Attributes: agentSchema().Attributes, Blocks: slices.Concat(agentSchema().Blocks, policySchema(&Options{}).Blocks)}
	structs := map[string]any{
		"listener": listenerBlock{}, "admin": adminBlock{}, "consul": consulBlock{}, "store": storeBlock{}, "store.tls": upstreamTLSBlock{}, "service": serviceBlock{},
		"policies": policiesBlock{}, "drain": drainBlock{}, "telemetry": telemetryBlock{}, "tracing": tracingBlock{}, "access_log": accessLogBlock{}, "access_log.sample": logSampleBlock{}, "access_log.rotate": logRotationBlock{}, "access_log.syslog": syslogBlock{},
		"error_page": errorPageBlock{}, "route": routeBlock{}, "gateway": gatewayBlock{}, "defaults": defaultsBlock{}, "limit": limit.Block{},
		"listener.http2": http2Block{}, "listener.tls": tlsBlock{}, "listener.tls.certificate": certificateBlock{}, "listener.tls.acme": acmeBlock{}, "route.upstream_tls": upstreamTLSBlock{}, "route.split": splitBlock{},
		"tcp_route": tcpRouteBlock{}, "tcp_route.upstream_tls": upstreamTLSBlock{},
		"consul.service": registrationBlock{}, "consul.connect": connectBlock{}, "consul.login": loginBlock{}, "service.instance": instanceBlock{}, "service.check": checkBlock{},
	}
	out := []placed{{nil, top}}
	var walk func(path []string, blocks []hcl.BlockHeaderSchema)
	walk = func(path []string, blocks []hcl.BlockHeaderSchema) {
		for _, b := range blocks {
			here := append(slices.Clone(path), b.Type)
			s, ok := structs[strings.Join(here, ".")]
			if !ok {
				t.Errorf("no struct for %s", strings.Join(here, "."))
				continue
			}
			schema, _ := gohcl.ImpliedBodySchema(s)
			out = append(out, placed{here, schema})
			walk(here, schema.Blocks)
		}
	}
	walk(nil, top.Blocks)
	for _, a := range limits.Algorithms() {
		schema, _ := gohcl.ImpliedBodySchema(a.New())
		out = append(out, placed{[]string{"limit:" + a.Name}, schema})
	}
	return out
}

// inside returns the bodies of the blocks of a type; "limit:x" is those of
// algorithm x.
func inside(bodies []*hclsyntax.Body, typ string) []*hclsyntax.Body {
	typ, label, labelled := strings.Cut(typ, ":")
	var out []*hclsyntax.Body
	for _, b := range bodies {
		for _, block := range b.Blocks {
			if block.Type == typ && (!labelled || block.Labels[0] == label) {
				out = append(out, block.Body)
			}
		}
	}
	return out
}
