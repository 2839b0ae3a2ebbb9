package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/attr"
)

// remote knows the texts of a configuration that lie elsewhere, such as in
// Consul, where whoever may write there speaks to every gateway. They differ from
// files in two ways. They name no file: what lies on one machine is not for them
// to choose, nor would it be the same on all. And files never refer to them, so
// that files alone are a configuration to start with.
//
// The zero value knows none.
type remote struct {
	texts map[string]bool // by name
	last  map[string]bool // those that are Last
	// statics are the services that the configuration itself defines.
	statics map[string]bool
	// refused are the values that name a file.
	refused []hcl.Range
	// provided are the provider blocks in remote texts, by type.
	provided map[string][]string
}

// nowhere stands for a file that may not be named. No file has that name.
const nowhere = "\x00"

// addTexts puts texts that are no files into the section.
func (l *loader) addTexts(texts []Source) {
	for _, t := range texts {
		if t.Remote {
			if l.remote.texts == nil {
				l.remote.texts = map[string]bool{}
			}
			l.remote.texts[t.Name] = true
		}
		if t.Last {
			if l.remote.last == nil {
				l.remote.last = map[string]bool{}
			}
			l.remote.last[t.Name] = true
		}
		l.add(l.files.parse(t))
	}
}

// resolve makes a path absolute or relative to the file that holds at, and
// refuses it in a text that may name none.
func (r *reader) resolve(path string, at hcl.Range) string {
	if !r.remote.texts[at.Filename] {
		return resolvePath(path, at)
	}
	r.remote.refused = append(r.remote.refused, at)
	r.Errorf(at, fileNamedElsewhere, "A policy in Consul can't name a file, since it is for every gateway. Put the block that names %q into a policy file.", path)
	return nowhere
}

const fileNamedElsewhere = "File named by a policy in Consul"

// consequence reports whether a diagnostic is about a value that resolve has
// refused, and says no more than that.
func (m *remote) consequence(d *hcl.Diagnostic) bool {
	return d.Subject != nil && d.Summary != fileNamedElsewhere && slices.Contains(m.refused, *d.Subject)
}

// consequences drops from what was said of a block as a whole what follows from a
// file that it may not name.
func (m *remote) consequences(diags hcl.Diagnostics, block hcl.Range) hcl.Diagnostics {
	if !slices.ContainsFunc(m.refused, func(at hcl.Range) bool { return at.Filename == block.Filename }) {
		return diags
	}
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Subject != nil && *d.Subject == block })
}

// beyond reports whether something in a file refers to something that is not.
func (m *remote) beyond(from, to hcl.Range) bool {
	return !m.texts[from.Filename] && m.texts[to.Filename]
}

// provides takes note of a provider block.
func (m *remote) provides(typ, name string, at hcl.Range) {
	if !m.texts[at.Filename] {
		return
	}
	if m.provided == nil {
		m.provided = map[string][]string{}
	}
	m.provided[typ] = append(m.provided[typ], name)
}

// visible returns the names of providers that a block may refer to.
func (m *remote) visible(from hcl.Range, all map[string][]string) map[string][]string {
	if len(m.provided) == 0 || m.texts[from.Filename] {
		return all
	}
	out := make(map[string][]string, len(all))
	for typ, names := range all {
		out[typ] = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(m.provided[typ], n) })
	}
	return out
}

// prefix reads the beginning of keys in Consul's KV store. It ends with a slash,
// so that it is a folder and not the beginning of other folders' names too.
func (r *reader) prefix(a *hcl.Attribute) string {
	s := r.Text(a, "")
	if s == "" {
		return ""
	}
	if strings.HasPrefix(s, "/") || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "%q can't begin a key of Consul: keys don't begin with a slash and have no control characters.", s)
		return ""
	}
	r.prefixAt = a.Expr.Range()
	return strings.TrimRight(s, "/") + "/"
}

// kvPrefix refuses policies in Consul where there is no Consul.
func (l *loader) kvPrefix(c *Config) {
	if c.Policies.KVPrefix != "" && c.Consul == nil && !l.partial {
		l.Diags = append(l.Diags, attr.Fault(l.prefixAt, "No Consul for policies in Consul",
			"Policies below %q lie in Consul's KV store, which needs a block consul { } in the agent's configuration.", c.Policies.KVPrefix))
	}
}
