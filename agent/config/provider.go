package config

import "github.com/hashicorp/hcl/v2"

// providers decodes the blocks of Options.ProviderBlocks, and lists the names
// of all of them by type, for the steps that refer to them.
func (r *reader) providers(s *section, o *Options) ([]Provider, map[string][]string) {
	var out []Provider
	names := map[string][]string{}
	for _, pb := range o.ProviderBlocks {
		named := map[string]hcl.Range{}
		for _, b := range s.blocks[pb.Type] {
			name := b.Labels[0]
			r.name(pb.Type, name, b.LabelRanges[0], named)
			spec, diags := pb.Decode(b.Body, BlockContext{Name: name, Range: b.DefRange, Path: r.resolve})
			r.Diags = append(r.Diags, r.remote.consequences(diags, b.DefRange)...)
			out = append(out, Provider{Type: pb.Type, Name: name, Spec: spec, Range: b.DefRange})
			names[pb.Type] = append(names[pb.Type], name)
			r.remote.provides(pb.Type, name, b.DefRange)
		}
	}
	return out, names
}
