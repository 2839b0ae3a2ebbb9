package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
)

// decode decodes a block's body into the struct, and returns the blocks of the
// extra types, for others to decode.
func (r *reader) decode(b *hcl.Block, into any, extra ...hcl.BlockHeaderSchema) hcl.Blocks {
	w := &wider{Body: b.Body, extra: extra}
	r.Diags = append(r.Diags, gohcl.DecodeBody(w, nil, into)...)
	return w.aside
}

// wider is a body that admits more block types than the struct it is decoded
// into, and sets their blocks aside. Both together are one schema, so that a
// suggestion for a misspelt name knows all of them.
type wider struct {
	hcl.Body
	extra []hcl.BlockHeaderSchema
	aside hcl.Blocks
}

// Content implements hcl.Body.
func (w *wider) Content(s *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	content, diags := w.Body.Content(&hcl.BodySchema{
		Attributes: s.Attributes,
		Blocks:     slices.Concat(s.Blocks, w.extra),
	})
	if content == nil {
		return nil, diags
	}
	var inside hcl.Blocks
	for _, b := range content.Blocks {
		if declares(w.extra, b.Type) {
			w.aside = append(w.aside, b)
		} else {
			inside = append(inside, b)
		}
	}
	content.Blocks = inside
	return content, diags
}
