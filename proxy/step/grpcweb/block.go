package grpcweb

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
)

// Spec is a grpc_web block: valid, with all defaults filled in.
type Spec struct {
	// Enabled is false for a route that is not to have what the defaults say.
	Enabled bool
}

// Block is the grpc_web block as it is written.
type Block struct {
	Enabled *hcl.Attribute `hcl:"enabled,optional"`
}

// Decode turns the body of a grpc_web block into a Spec. With an error among the
// diagnostics the Spec is of no use.
func Decode(body hcl.Body) (*Spec, hcl.Diagnostics) {
	var in Block
	var r attr.Reader
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	return &Spec{Enabled: r.Bool(in.Enabled, true)}, r.Diags
}

// Redacted returns the block as JSON values in the policy's names.
func (s *Spec) Redacted() map[string]any { return map[string]any{"enabled": s.Enabled} }
