package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

const notSupported = "Not supported by this version"

// notYet lists what the configuration language has and this version does not
// do. Each is refused, because a setting that is silently ignored is worse than
// one that is missing. Take a line away when its feature arrives.
var notYet = []struct {
	in    string // the block around it; empty for the top of a file
	block string // a block type, with its labels
	label []string
	attr  string   // or an attribute
	ok    []string // the values of the attribute that are supported
}{}

// unsupportedBlocks returns the block types of notYet that belong into the
// block and that nobody has registered.
func unsupportedBlocks(in string, o *Options) []hcl.BlockHeaderSchema {
	var out []hcl.BlockHeaderSchema
	for _, f := range notYet {
		if f.in != in || f.block == "" {
			continue
		}
		if in == "" && o.provider(f.block) != nil || in == "route" && o.step(f.block) != nil {
			continue
		}
		out = append(out, hcl.BlockHeaderSchema{Type: f.block, LabelNames: f.label})
	}
	return out
}

// unsupportedValues returns an error for each attribute of notYet that is set
// to a value other than the supported ones.
func unsupportedValues(in string, body hcl.Body) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, f := range notYet {
		if f.in != in || f.attr == "" {
			continue
		}
		content, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: f.attr}}})
		if content == nil || content.Attributes[f.attr] == nil {
			continue
		}
		a := content.Attributes[f.attr]
		v, more := a.Expr.Value(nil)
		if more.HasErrors() || v.IsNull() || v.Type() != cty.String || slices.Contains(f.ok, v.AsString()) {
			continue // the reader of the attribute speaks of what is wrong with it
		}
		diags = append(diags, unsupported(fmt.Sprintf("%s = %q", f.attr, v.AsString()), a.Expr.Range()))
	}
	return diags
}

func unsupported(what string, at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  notSupported,
		Detail:   what + " is part of the configuration language, but this version does not support it.",
		Subject:  &at,
	}
}
