package attr_test

import (
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/lictor/lictor/attr"
)

func TestSteps(t *testing.T) {
	for in, want := range map[string][]string{
		`jwt.sub`:                {"jwt", "sub"},
		`jwt["sub"]`:             {"jwt", "sub"},
		`jwt.realm["a b"].roles`: {"jwt", "realm", "a b", "roles"},
		`host`:                   {"host"},
		`jwt[0]`:                 nil,
		`jwt[""]`:                nil,
		`jwt.sub[1]`:             nil,
	} {
		x, diags := hclsyntax.ParseTraversalAbs([]byte(in), "x", hcl.InitialPos)
		if diags.HasErrors() {
			t.Errorf("%s: %v", in, diags)
			continue
		}
		text, steps, ok := attr.Steps(x)
		if ok != (want != nil) || !slices.Equal(steps, want) {
			t.Errorf("%s is %q, %v, want %q", in, steps, ok, want)
			continue
		}
		if !ok {
			continue
		}
		// What Path writes is read as the same again.
		again, diags := hclsyntax.ParseTraversalAbs([]byte(attr.Path(steps[0], steps[1:])), "x", hcl.InitialPos)
		if diags.HasErrors() {
			t.Errorf("%s: %v", in, diags)
			continue
		}
		if _, same, _ := attr.Steps(again); !slices.Equal(same, steps) {
			t.Errorf("%s (%s) is read as %q again", in, text, same)
		}
	}
	if _, _, ok := attr.Steps(nil); ok {
		t.Error("nothing is a path")
	}
}
