package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzPolicies feeds the loader any text, as HCL and as JSON. It must neither
// panic nor call something valid that it could not read, and what it says must
// be printable.
func FuzzPolicies(f *testing.F) {
	for _, dir := range []string{"errors", "values"} {
		err := filepath.WalkDir(filepath.Join("testdata", dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !IsConfigFile(d.Name()) {
				return err
			}
			text, err := os.ReadFile(path)
			f.Add(string(text), strings.HasSuffix(path, ".json"))
			return err
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Add("limit \"token_bucket\" \"a\" {\n  rate = \"1/s\"\n  key = [jwt[\"a\"][0], a.*.b, \"${x}\"]\n}", false)
	f.Add(`{"limit": [{"token_bucket": {"a": [{"rate": "1/s", "key": ["jwt[\"a\"]", 1, null]}]}}]}`, true)
	f.Fuzz(func(t *testing.T, text string, asJSON bool) {
		name := "fuzz.hcl"
		if asJSON {
			name += ".json"
		}
		l := &loader{files: newFiles(), top: newSection(), options: &Options{}}
		l.add(l.files.parse(Source{Name: name, Text: []byte(text)}))
		// Settings that make it look at other files are not of interest here.
		delete(l.top.blocks, "policies")
		c, built := l.load(Input{})
		diags := l.finish()
		var b strings.Builder
		if err := l.files.Write(&b, diags, 80, false); err != nil {
			t.Fatal(err)
		}
		if len(diags) > 0 && b.Len() == 0 {
			t.Error("diagnostics without a text")
		}
		if diags.HasErrors() {
			return
		}
		if built == nil {
			t.Error("no error, and no router")
		}
		for _, s := range c.Policy.Limits {
			if s.Limit == nil || s.Cost < 1 || s.Cost > s.Limit.Capacity() {
				t.Errorf("an unsound limit passed: %+v", s)
			}
		}
		for i := range c.Policy.Routes {
			r := &c.Policy.Routes[i]
			if r.Service == "" {
				t.Errorf("an unsound route passed: %+v", r)
			}
			for _, name := range c.Policy.EffectiveLimits(r) {
				if c.Policy.Limit(name) == nil {
					t.Errorf("route %q names a limit %q that isn't there", r.Name, name)
				}
			}
		}
		view(t, c)
	})
}
