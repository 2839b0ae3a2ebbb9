package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// agentSchema is what only an agent file may hold at its top.
func agentSchema() *hcl.BodySchema {
	return &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{
			{Name: "node_name"},
			{Name: "log_level"},
			{Name: "log_json"},
			{Name: "data_dir"},
		},
		Blocks: []hcl.BlockHeaderSchema{
			{Type: "listener", LabelNames: []string{"name"}},
			{Type: "admin"},
			{Type: "consul"},
			{Type: "store", LabelNames: []string{"type"}},
			{Type: "service", LabelNames: []string{"name"}},
			{Type: "policies"},
			{Type: "drain"},
			{Type: "telemetry"},
			{Type: "tracing"},
			{Type: "access_log"},
			{Type: "error_page"},
		},
	}
}

// policySchema is what any file may hold at its top.
func policySchema(o *Options) *hcl.BodySchema {
	s := &hcl.BodySchema{
		Blocks: []hcl.BlockHeaderSchema{
			{Type: "limit", LabelNames: []string{"algorithm", "name"}},
			{Type: "route", LabelNames: []string{"name"}},
			{Type: "tcp_route", LabelNames: []string{"name"}},
			{Type: "gateway"},
			{Type: "defaults"},
		},
	}
	for _, p := range o.ProviderBlocks {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: p.Type, LabelNames: []string{"name"}})
	}
	return s
}

// single are the blocks of which there is at most one over all files.
var single = []string{"admin", "consul", "policies", "drain", "telemetry", "tracing", "store", "gateway", "defaults"}

// section is the tops of several files together, by name.
type section struct {
	attrs  map[string]*hcl.Attribute
	blocks map[string][]*hcl.Block
}

func newSection() *section {
	return &section{attrs: map[string]*hcl.Attribute{}, blocks: map[string][]*hcl.Block{}}
}

// one returns the block of a type that occurs at most once, or nil.
func (s *section) one(typ string) *hcl.Block {
	if b := s.blocks[typ]; len(b) > 0 {
		return b[0]
	}
	return nil
}

// any reports whether the section holds something that only an agent file may.
func (s *section) agent() bool {
	if len(s.attrs) > 0 {
		return true
	}
	return slices.ContainsFunc(agentSchema().Blocks, func(b hcl.BlockHeaderSchema) bool { return len(s.blocks[b.Type]) > 0 })
}

// add puts the top of one file into the section. policyOnly refuses what only
// an agent file may hold.
func (s *section) add(body hcl.Body, o *Options, policyOnly bool) hcl.Diagnostics {
	agent, policy := agentSchema(), policySchema(o)
	content, diags := body.Content(&hcl.BodySchema{
		Attributes: agent.Attributes,
		Blocks:     slices.Concat(agent.Blocks, policy.Blocks),
	})
	if content == nil {
		return diags
	}
	for name, a := range content.Attributes {
		switch first := s.attrs[name]; {
		case policyOnly:
			diags = append(diags, misplaced(fmt.Sprintf("The argument %q", name), a.NameRange))
		case first != nil:
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Duplicate argument",
				Detail:   fmt.Sprintf("The argument %q was already set at %s.", name, first.NameRange),
				Subject:  &a.NameRange,
			})
		default:
			s.attrs[name] = a
		}
	}
	for _, b := range content.Blocks {
		switch first := s.one(b.Type); {
		case policyOnly && declares(agent.Blocks, b.Type):
			diags = append(diags, misplaced(fmt.Sprintf("The block %q", b.Type), b.DefRange))
		case first != nil && slices.Contains(single, b.Type):
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  fmt.Sprintf("Duplicate %s block", b.Type),
				Detail:   fmt.Sprintf("Only one %s block is allowed. Another was defined at %s.", b.Type, first.DefRange),
				Subject:  &b.DefRange,
			})
		default:
			s.blocks[b.Type] = append(s.blocks[b.Type], b)
		}
	}
	return diags
}

func declares(blocks []hcl.BlockHeaderSchema, typ string) bool {
	return slices.ContainsFunc(blocks, func(b hcl.BlockHeaderSchema) bool { return b.Type == typ })
}

func misplaced(what string, at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Agent setting in a policy file",
		Detail:   what + " belongs to the agent's own configuration; a policy file may hold policy blocks only.",
		Subject:  &at,
	}
}
