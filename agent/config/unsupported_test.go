package config

import (
	"fmt"
	"strings"
	"testing"
)

// around is what a block needs besides, to be valid.
var around = map[string]string{
	"listener": "address = \"127.0.0.1:0\"",
	"route":    "service = \"web\"",
	"limit":    "rate = \"1/s\"",
}

// labels are the labels of a block.
var labels = map[string]string{
	"listener": ` "x"`,
	"route":    ` "x"`,
	"limit":    ` "token_bucket" "x"`,
}

// valueOf is a value that the language has and this version lacks.
var valueOf = map[string]string{
	"health_path": "/health",
	"max_body":    "1MB",
}

func diagnose(t *testing.T, text string) string {
	t.Helper()
	files, diags := Validate(Options{}, tree(t, map[string]string{"x.hcl": text}))
	kept := diags[:0:0]
	for _, d := range diags {
		if d.Summary != "No listener" {
			kept = append(kept, d)
		}
	}
	return rendered(t, files, kept)
}

// TestNotYet wants every line of the list to refuse its feature, once and
// clearly, and to let through what is supported.
func TestNotYet(t *testing.T) {
	for _, f := range notYet {
		t.Run(f.in+"."+f.block+f.attr, func(t *testing.T) {
			wrap := func(inner string) string {
				if f.in == "" {
					return inner
				}
				return fmt.Sprintf("%s%s {\n  %s\n  %s\n}\n", f.in, labels[f.in], around[f.in], inner)
			}
			refused := f.block
			for i := range f.label {
				refused += fmt.Sprintf(" \"l%d\"", i)
			}
			refused += " {\n  anything = 1\n}\n"
			if f.attr != "" {
				if valueOf[f.attr] == "" {
					t.Fatalf("no value of %s to try", f.attr)
				}
				refused = fmt.Sprintf("%s = %q", f.attr, valueOf[f.attr])
			}
			got := diagnose(t, wrap(refused))
			if strings.Count(got, "Error: ") != 1 || !strings.Contains(got, notSupported) || !strings.Contains(got, f.block+f.attr) {
				t.Errorf("got %q, want one error", got)
			}
			for _, ok := range f.ok {
				if got := diagnose(t, wrap(fmt.Sprintf("%s = %q", f.attr, ok))); got != "" {
					t.Errorf("%q: got %q", ok, got)
				}
			}
		})
	}
}
