package attr

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Steps returns the names that a traversal such as jwt.sub or request.header["X"]
// is made of, and its text in one spelling. ok is false if a step is no name: a
// number, a splat or something that is not known.
func Steps(t hcl.Traversal) (text string, steps []string, ok bool) {
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			text, steps = s.Name, append(steps, s.Name)
		case hcl.TraverseAttr:
			text, steps = text+"."+s.Name, append(steps, s.Name)
		case hcl.TraverseIndex:
			if s.Key.IsNull() || !s.Key.IsKnown() || s.Key.Type() != cty.String || s.Key.AsString() == "" {
				return "", nil, false
			}
			name := s.Key.AsString()
			text, steps = text+fmt.Sprintf("[%q]", name), append(steps, name)
		default:
			return "", nil, false
		}
	}
	return text, steps, len(steps) > 0
}

// Path writes down a way from a root inwards, as in jwt.realm_access["a b"].
func Path(root string, steps []string) string {
	var b strings.Builder
	b.WriteString(root)
	for _, step := range steps {
		if hclsyntax.ValidIdentifier(step) {
			b.WriteString("." + step)
		} else {
			fmt.Fprintf(&b, "[%q]", step)
		}
	}
	return b.String()
}
