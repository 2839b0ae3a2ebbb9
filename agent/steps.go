package agent

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/jwt"
	"github.com/lictor/lictor/proxy/upstream"
)

// stepKind is one line of the registry of steps.
type stepKind struct {
	// block is how a route asks for the step. The zero value is for steps that
	// have no block of their own.
	block config.StepBlock
	// build makes the steps of a route, none where it asks for none.
	build func(a *Agent, g *generation, r *config.Route) ([]proxy.Step, error)
}

// stepKinds lists the steps, in the order in which they run. Who may not come at
// all is refused first, and takes nobody's quota. Limits whose key is
// known already come before anything that costs more, so that a flood is refused
// before a password is hashed or a signature verified; those keyed by identity come
// once there is one.
// What the service can bear is asked last: nobody is held of it who waits or is
// refused here.
func stepKinds() []stepKind {
	return []stepKind{
		compressionStep(), // its turn is the answer's, after all that edits that: those go backwards
		ipAccessStep(),
		limitStep(ofRequest),
		corsStep(),   // a preflight has no credentials to be asked for
		apiKeyStep(), // the cheapest of those who ask who it is
		basicAuthStep(),
		jwtStep(),
		externalAuthStep(), // the dearest: it goes out and waits
		limitStep(ofIdentity),
		redirectStep(),        // for those alone who may be here
		requestHeadersStep(),  // all before have seen what the client sent; claims are known
		securityHeadersStep(), // of the answer alone; responses pass the last step first,
		responseHeadersStep(), // so that these have had their say before
		rewriteStep(),         // all before have seen the path that was asked for
		grpcWebStep(),         // and the media type; what is behind it sees gRPC
		limitStep(ofService),
	}
}

// ConfigOptions tells the configuration language what this program understands.
func ConfigOptions() config.Options {
	o := config.Options{
		ProviderBlocks: []config.ProviderBlock{
			{Type: "jwt", Decode: func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
				return jwt.DecodeProvider(b, c.Name, c.Range, c.Path)
			}},
		},
	}
	for _, k := range stepKinds() {
		if k.block.Type != "" {
			o.StepBlocks = append(o.StepBlocks, k.block)
		}
	}
	for _, b := range upstream.Balancers() {
		o.Balancers = append(o.Balancers, b.Name)
	}
	return o
}

// ValidateOptions is ConfigOptions for a configuration that is only looked at: the
// files that it names must be good as well. A running gateway finds that out
// when it prepares what it does not have yet, and goes on with the rest.
func ValidateOptions() config.Options {
	o := ConfigOptions()
	for i, p := range o.ProviderBlocks {
		decode := p.Decode
		o.ProviderBlocks[i].Decode = func(b hcl.Body, c config.BlockContext) (any, hcl.Diagnostics) {
			v, diags := decode(b, c)
			if s, ok := v.(*jwt.Spec); ok && !diags.HasErrors() {
				if err := jwt.Check(s); err != nil {
					diags = append(diags, &hcl.Diagnostic{
						Severity: hcl.DiagError, Summary: "Keys can't be used", Detail: sentence(err), Subject: &c.Range,
					})
				}
			}
			return v, diags
		}
	}
	return o
}

// sentence makes an error the text of a diagnostic.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// steps assembles a route's pipeline.
func (a *Agent) steps(g *generation, r *config.Route) ([]proxy.Step, error) {
	var steps []proxy.Step
	for _, k := range stepKinds() {
		more, err := k.build(a, g, r)
		if err != nil {
			return nil, err
		}
		steps = append(steps, more...)
	}
	return steps, nil
}

// specs returns what the blocks of a type were decoded to, in their order.
func specs[T any](r *config.Route, typ string) []T { return specsIn[T](r.Steps, typ) }

func specsIn[T any](blocks []config.Step, typ string) []T {
	var out []T
	for _, s := range blocks {
		if s.Type == typ {
			out = append(out, s.Spec.(T))
		}
	}
	return out
}
