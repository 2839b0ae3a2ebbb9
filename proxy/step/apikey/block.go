package apikey

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy"
)

// DefaultHeader is the field of the key when the block names no place.
const DefaultHeader = "X-API-Key"

type block struct {
	KeysFile   *hcl.Attribute `hcl:"keys_file,optional"`
	Header     *hcl.Attribute `hcl:"header,optional"`
	Query      *hcl.Attribute `hcl:"query,optional"`
	NameHeader *hcl.Attribute `hcl:"name_header,optional"`
}

// Spec is what a block api_key says.
type Spec struct {
	KeysFile string
	// Header is the field of the key, or Query the parameter; the other is empty.
	Header, Query string
	// NameHeader is the field that tells the instance whose key it was; empty for
	// none.
	NameHeader string

	keys keys
}

// Decode turns the body of a block api_key that begins at at into a Spec, and reads
// its keys. path resolves a file's name against the file that holds a range.
func Decode(body hcl.Body, at hcl.Range, path func(path string, at hcl.Range) string) (*Spec, hcl.Diagnostics) {
	var in block
	r := reader{}
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	s := &Spec{
		KeysFile:   r.Required(in.KeysFile, "keys_file", at),
		Header:     r.field(in.Header),
		Query:      r.Text(in.Query, ""),
		NameHeader: r.field(in.NameHeader),
	}
	r.NotEmpty(in.Query, s.Query)
	switch {
	case s.Query != "" && in.Header != nil:
		r.Errorf(in.Query.Expr.Range(), "Two places for one key", "A key is either in a field or in a parameter: leave one of header and query out.")
	case s.Query != "" && !parameter(s.Query):
		r.Errorf(in.Query.Expr.Range(), "Invalid query", "%q can't be the name of a parameter without being encoded.", s.Query)
	case s.Query != "":
		r.Warnf(in.Query.Expr.Range(), "Keys in URLs", "What stands in a URL ends in histories, in Referer, and in the logs of everything on the way; only the gateway's own log leaves it out. Use header where the clients can.")
	case s.Header == "":
		s.Header = DefaultHeader
	}
	if s.NameHeader != "" && proxy.NewAlike(s.NameHeader) == proxy.NewAlike(s.Header) {
		r.Errorf(in.NameHeader.Expr.Range(), "Invalid name_header", "The field %s holds the key.", s.NameHeader)
	}
	if s.KeysFile == "" {
		return s, r.Diags
	}
	if path != nil {
		s.KeysFile = path(s.KeysFile, in.KeysFile.Expr.Range())
	}
	var err error
	if s.keys, err = readKeys(s.KeysFile); err != nil {
		r.Errorf(in.KeysFile.Expr.Range(), "Keys can't be read", "%s.", strings.ReplaceAll(err.Error(), "\n", ".\n"))
	}
	return s, r.Diags
}

type reader struct{ attr.Reader }

// field reads the name of a field that the gateway itself has no use for.
func (r *reader) field(a *hcl.Attribute) string {
	name := r.Text(a, "")
	r.NotEmpty(a, name)
	switch {
	case name == "":
	case !proxy.IsFieldName(name):
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "%q can't be the name of a field.", name)
	case proxy.IsReserved(name):
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "The field %s can't be used here, since the gateway itself uses it.", name)
	}
	return name
}

func parameter(s string) bool {
	return len(s) <= 128 && !strings.ContainsFunc(s, func(c rune) bool {
		return !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.ContainsRune("-._~", c))
	})
}

// Files names the file that the keys were read from.
func (s *Spec) Files() []string {
	if s.KeysFile == "" {
		return nil
	}
	return []string{s.KeysFile}
}

// Redacted shows the block to people, and nothing of the keys but their number.
func (s *Spec) Redacted() map[string]any {
	return map[string]any{"keys_file": s.KeysFile, "keys": len(s.keys), "header": s.Header, "query": s.Query, "name_header": s.NameHeader}
}
