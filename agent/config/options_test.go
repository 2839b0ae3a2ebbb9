package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
)

// jwtSpec is what the steps and providers of these tests decode into.
type jwtSpec struct {
	Provider string `hcl:"provider,optional"`
	File     string `hcl:"file,optional"`

	context BlockContext
}

func (s *jwtSpec) Redacted() map[string]any { return map[string]any{"provider": s.Provider} }

func decodeJWT(body hcl.Body, c BlockContext) (any, hcl.Diagnostics) {
	s := &jwtSpec{context: c}
	diags := gohcl.DecodeBody(body, nil, s)
	if s.File != "" {
		s.File = c.Path(s.File, c.Range)
	}
	return s, diags
}

func stepOptions() Options {
	return Options{
		StepBlocks: []StepBlock{
			{Type: "jwt", Repeatable: true, Decode: decodeJWT},
			{Type: "cors", Decode: decodeJWT},
		},
		ProviderBlocks: []ProviderBlock{{Type: "jwt", Decode: decodeJWT}},
	}
}

func TestSteps(t *testing.T) {
	dir := tree(t, map[string]string{"p.hcl": `
jwt "main" {
  file = "keys.json"
}

jwt "other" {
}

limit "token_bucket" "per_user" {
  rate = "1/s"
  key  = [jwt.sub]
}

route "a" {
  service = "a"
  limits  = ["per_user"]
  jwt {
    provider = "other"
  }
  cors {
  }
  jwt {
    provider = "main"
  }
}
`})
	p, files, diags := LoadPolicies(stepOptions(), []string{dir})
	if len(diags) > 0 {
		t.Fatal(rendered(t, files, diags))
	}
	if len(p.Providers) != 2 || p.Providers[0].Name != "main" || p.Providers[0].Spec.(*jwtSpec).File != filepath.Join(dir, "keys.json") {
		t.Errorf("providers %+v", p.Providers)
	}
	r := p.Routes[0]
	var types, named []string
	for _, s := range r.Steps {
		types, named = append(types, s.Type), append(named, s.Spec.(*jwtSpec).Provider)
	}
	if !slices.Equal(types, []string{"jwt", "cors", "jwt"}) || !slices.Equal(named, []string{"other", "", "main"}) {
		t.Errorf("steps %v of providers %v", types, named)
	}
	c := r.Steps[0].Spec.(*jwtSpec).context
	if c.Name != "a" || c.Range.Start.Line != 17 || !slices.Equal(c.Providers["jwt"], []string{"main", "other"}) {
		t.Errorf("context %+v", c)
	}
	if !r.HasStep("cors") || r.HasStep("headers") {
		t.Error("HasStep is wrong")
	}
	view := p.Redacted()
	if _, ok := view["jwt"].(map[string]any)["main"]; !ok {
		t.Errorf("the view lacks the provider: %v", view)
	}
}

func TestStepErrors(t *testing.T) {
	dir := tree(t, map[string]string{"p.hcl": `
jwt "main" {
  fil = "keys.json"
}

jwt "main" {
}

route "a" {
  service = "a"
  cors {
  }
  cors {
  }
  jwtt {
  }
  jwt {
    providr = "main"
  }
}
`})
	_, files, diags := LoadPolicies(stepOptions(), []string{dir})
	got := rendered(t, files, diags)
	for _, want := range []string{
		`Did you mean "file"?`,
		`A jwt named "main" was already defined`,
		`Only one cors block may stand here`,
		`Did you mean "jwt"?`,
		`Did you mean "provider"?`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing is said of %s in\n%s", want, got)
		}
	}
	if len(diags) != 5 {
		t.Errorf("got %d diagnostics, want 5:\n%s", len(diags), got)
	}
}

func TestBalancers(t *testing.T) {
	dir := tree(t, map[string]string{"p.hcl": "route \"a\" {\n  service = \"a\"\n  balance = \"p2c\"\n}\n"})
	if _, files, diags := LoadPolicies(Options{Balancers: []string{"least_conn", "p2c"}}, []string{dir}); len(diags) > 0 {
		t.Error(rendered(t, files, diags))
	}
	if _, _, diags := LoadPolicies(Options{}, []string{dir}); !diags.HasErrors() {
		t.Error("an unknown balancer passed")
	}
}
