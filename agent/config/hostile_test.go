package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestHostileTexts loads texts that the parsers below would spend minutes on,
// or end the program with.
func TestHostileTexts(t *testing.T) {
	const many = 100_000
	nested := func(open string) string { return "log_level = " + strings.Repeat(open, many) }
	for _, c := range []struct{ name, text, want string }{
		{"number.hcl", "log_level = 1e99999999\n", "Invalid number"},
		{"small.hcl", "log_level = -1e-99999999\n", "Invalid number"},
		{"template.hcl", "log_level = \"a${1e99999999}\"\n", "Invalid number"},
		{"limit.hcl", "limit \"token_bucket\" \"a\" {\n  rate = 1e99999999\n}\n", "line 2"},
		{"number.json", "{\n\"log_level\": 1E+99999999}", "line 2"},
		{"exponent.json", `{"log_level": 1e99999999999999999999999}`, "Invalid JSON number"},
		{"brackets.hcl", nested("["), "Nested too deeply"},
		{"parentheses.hcl", nested("("), "Nested too deeply"},
		{"objects.hcl", nested("{a="), "Nested too deeply"},
		{"negations.hcl", nested("!"), "Nested too deeply"},
		{"minus.hcl", nested("- "), "Nested too deeply"},
		{"conditions.hcl", nested("a?b:"), "Nested too deeply"},
		{"templates.hcl", nested(`"${`), "Nested too deeply"},
		{"blocks.hcl", strings.Repeat("a {\n", many), "Nested too deeply"},
		{"arrays.json", `{"log_level": ` + strings.Repeat("[", many), "Nested too deeply"},
		{"objects.json", strings.Repeat(`{"a":`, many), "Nested too deeply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, files, diags := LoadPolicies(Options{}, nil, Source{Name: c.name, Text: []byte(c.text)})
			if !diags.HasErrors() {
				t.Fatal("nothing was said")
			}
			var b strings.Builder
			if err := files.Write(&b, diags[:1], 0, false); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); !strings.Contains(got, c.want) {
				t.Errorf("got %.300s, want %s", got, c.want)
			}
		})
	}
}

// TestDeepEnough wants what a person writes to pass.
func TestDeepEnough(t *testing.T) {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "route \"r%d\" {\n  path    = \"/r-%d\"\n  hosts   = [\"a-b.example.com\"]\n  headers = { \"x-a\" = \"-!?:\" }\n  service = \"s\"\n}\n", i, i)
	}
	_, files, diags := LoadPolicies(Options{}, nil, Source{Name: "many.hcl", Text: []byte(b.String())})
	if len(diags) > 0 {
		t.Error(rendered(t, files, diags[:1]))
	}
	text := `{"route": {"a": {"service": "a", "path": "/[[[[", "timeout": "1s", "max_connections": 1e3}}}`
	_, files, diags = LoadPolicies(Options{}, nil, Source{Name: "a.json", Text: []byte(text)})
	if got := rendered(t, files, diags); strings.Contains(got, "Nested") || strings.Contains(got, "Invalid number") {
		t.Error(got)
	}
}
