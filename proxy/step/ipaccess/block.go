package ipaccess

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy/lines"
)

// Bounds on lists.
const (
	// MostRules is how many networks one block may list, its files included.
	MostRules = 1 << 20
	// MaxFile bounds a file with a list, in bytes.
	MaxFile = 64 << 20
)

type block struct {
	Allow     *hcl.Attribute `hcl:"allow,optional"`
	Deny      *hcl.Attribute `hcl:"deny,optional"`
	AllowFile *hcl.Attribute `hcl:"allow_file,optional"`
	DenyFile  *hcl.Attribute `hcl:"deny_file,optional"`
}

// Spec is what a block ip_access says.
type Spec struct {
	// Allow and Deny are the networks in the block itself.
	Allow, Deny []string
	// AllowFile and DenyFile hold more of them, one a line; empty for none.
	AllowFile, DenyFile string
	// Set is what all of it means. It is nil if something was wrong.
	Set *Set
	// Rules counts the networks, those in files included.
	Rules int
}

// Decode turns the body of a block ip_access that begins at at into a Spec, and
// reads the files that it names. path resolves a file's name against the file that
// holds a range.
func Decode(body hcl.Body, at hcl.Range, path func(path string, at hcl.Range) string) (*Spec, hcl.Diagnostics) {
	var in block
	r := reader{}
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	s := &Spec{}
	s.Allow = r.networks(in.Allow, true)
	s.Deny = r.networks(in.Deny, false)
	s.AllowFile = r.file(in.AllowFile, true, path)
	s.DenyFile = r.file(in.DenyFile, false, path)
	s.Rules = len(r.rules)
	switch {
	case r.Errors() > 0:
		return s, r.Diags
	case len(s.Allow) == 0 && len(s.Deny) == 0 && s.AllowFile == "" && s.DenyFile == "":
		r.Errorf(at, "Empty ip_access block", "The block needs at least one of allow, deny, allow_file and deny_file.")
		return s, r.Diags
	case len(r.rules) > MostRules:
		r.Errorf(at, "Too many networks", "The block lists %d networks, more than %d.", len(r.rules), MostRules)
		return s, r.Diags
	}
	set, err := NewSet(r.rules, len(s.Allow) == 0 && s.AllowFile == "")
	if err != nil {
		r.Errorf(at, "Contradiction in ip_access", "%s.", err)
		return s, r.Diags
	}
	s.Set = set
	return s, r.Diags
}

// Files names the files that the block was read from, too.
func (s *Spec) Files() []string {
	var out []string
	for _, f := range []string{s.AllowFile, s.DenyFile} {
		if f != "" {
			out = append(out, f)
		}
	}
	return out
}

// Redacted shows the block to people. Nothing in it is secret.
func (s *Spec) Redacted() map[string]any {
	list := func(l []string) []string { return append([]string{}, l...) }
	return map[string]any{
		"allow": list(s.Allow), "deny": list(s.Deny), "allow_file": s.AllowFile, "deny_file": s.DenyFile, "networks": s.Rules,
	}
}

type reader struct {
	attr.Reader
	rules []Rule
}

// networks reads a list in the block itself.
func (r *reader) networks(a *hcl.Attribute, allow bool) []string {
	var out []string
	for _, it := range r.Unique(a) {
		p, err := ParsePrefix(it.Value)
		if err != nil {
			r.Errorf(it.At, "Invalid "+a.Name, "%s.", err)
			continue
		}
		r.rules = append(r.rules, Rule{p, allow})
		out = append(out, p.String())
	}
	return out
}

// file reads a list in a file of its own.
func (r *reader) file(a *hcl.Attribute, allow bool, path func(string, hcl.Range) string) string {
	name := r.Text(a, "")
	r.NotEmpty(a, name)
	if name == "" {
		return ""
	}
	at := a.Expr.Range()
	if path != nil {
		name = path(name, at)
	}
	list, err := lines.Read(name, MaxFile)
	if err != nil {
		r.Errorf(at, "Can't read "+a.Name, "%s", attr.Sentence(err))
		return name
	}
	var wrong []string
	for _, l := range list {
		text, _, _ := strings.Cut(l.Text, "#")
		p, err := ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s.", filepath.Base(name), l.Number, err))
			continue
		}
		r.rules = append(r.rules, Rule{p, allow})
	}
	if n := len(wrong); n > 0 {
		const shown = 5
		if n > shown {
			wrong = append(wrong[:shown], fmt.Sprintf("And %d more.", n-shown))
		}
		r.Errorf(at, "Invalid "+a.Name, "%s", strings.Join(wrong, "\n"))
	}
	return name
}
