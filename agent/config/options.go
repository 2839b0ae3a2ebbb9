package config

import "github.com/hashicorp/hcl/v2"

// Options says what the rest of the program understands. The zero value
// understands no step and the least_conn balancer alone.
type Options struct {
	// Balancers are the names that a route's balance may have.
	Balancers []string
	// StepBlocks are the blocks that a route may hold.
	StepBlocks []StepBlock
	// ProviderBlocks are the labelled policy blocks that steps refer to.
	ProviderBlocks []ProviderBlock
}

// StepBlock is one type of block inside a route.
type StepBlock struct {
	Type string
	// Repeatable says that a route may hold several.
	Repeatable bool
	// Everywhere says that the gateway and defaults blocks may hold one, too.
	Everywhere bool
	// Defaults says that the defaults block may hold one, too, which holds for
	// routes without one of their own.
	Defaults bool
	// Answers says that the step answers by itself: its route needs no service.
	Answers bool
	// NamesUser says that after the step it is known who the user is.
	NamesUser bool
	// Decode turns the body into the value that Step.Spec holds.
	Decode func(body hcl.Body, c BlockContext) (any, hcl.Diagnostics)
}

// ProviderBlock is one type of policy block with one label, its name.
type ProviderBlock struct {
	Type string
	// Decode turns the body into the value that Provider.Spec holds.
	Decode func(body hcl.Body, c BlockContext) (any, hcl.Diagnostics)
}

// BlockContext is what a block may need to know beyond its body.
type BlockContext struct {
	// Name is the label of a provider, or the name of the route around a step.
	Name string
	// Range is where the block begins.
	Range hcl.Range
	// Path resolves a relative path against the file that holds at.
	Path func(path string, at hcl.Range) string
	// Route is the route around a step, but for its steps. It may be wrong in ways
	// that are told elsewhere. It is nil for a provider, and
	// in the gateway and defaults blocks.
	Route *Route
	// Providers are the names of all provider blocks, by type. It is set for
	// steps only.
	Providers map[string][]string
}

func (o *Options) balancers() []string {
	if len(o.Balancers) == 0 {
		return []string{defaultBalance}
	}
	return o.Balancers
}

func (o *Options) step(typ string) *StepBlock {
	for i := range o.StepBlocks {
		if o.StepBlocks[i].Type == typ {
			return &o.StepBlocks[i]
		}
	}
	return nil
}

// namesUser reports whether one of the steps finds out who the user is.
func (o *Options) namesUser(steps []Step) bool {
	for _, s := range steps {
		if k := o.step(s.Type); k != nil && k.NamesUser {
			return true
		}
	}
	return false
}

// inDefaults returns the step blocks that the defaults block may hold.
func (o *Options) inDefaults() []hcl.BlockHeaderSchema {
	out := o.everywhere()
	for _, s := range o.StepBlocks {
		if s.Defaults && !s.Everywhere {
			out = append(out, hcl.BlockHeaderSchema{Type: s.Type})
		}
	}
	return out
}

// everywhere returns the step blocks that the gateway and defaults may hold.
func (o *Options) everywhere() []hcl.BlockHeaderSchema {
	var out []hcl.BlockHeaderSchema
	for _, s := range o.StepBlocks {
		if s.Everywhere {
			out = append(out, hcl.BlockHeaderSchema{Type: s.Type})
		}
	}
	return out
}
