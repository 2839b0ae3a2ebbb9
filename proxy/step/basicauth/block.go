package basicauth

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy"
)

// DefaultRealm is what a browser shows when it asks for a password.
const DefaultRealm = "lictor"

type block struct {
	UsersFile *hcl.Attribute `hcl:"users_file,optional"`
	Realm     *hcl.Attribute `hcl:"realm,optional"`
	Forward   *hcl.Attribute `hcl:"forward,optional"`
	Header    *hcl.Attribute `hcl:"header,optional"`
}

// Spec is what a block basic_auth says.
type Spec struct {
	UsersFile string
	Realm     string
	// Forward leaves Authorization in the request.
	Forward bool
	// Header is the field that tells the instance who the user is; empty for none.
	Header string

	users *users
}

// Decode turns the body of a block basic_auth that begins at at into a Spec, and
// reads its users. path resolves a file's name against the file that holds a range.
func Decode(body hcl.Body, at hcl.Range, path func(path string, at hcl.Range) string) (*Spec, hcl.Diagnostics) {
	var in block
	r := attr.Reader{}
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	s := &Spec{
		UsersFile: r.Required(in.UsersFile, "users_file", at),
		Realm:     r.Text(in.Realm, DefaultRealm),
		Forward:   r.Bool(in.Forward, false),
		Header:    r.Text(in.Header, ""),
	}
	r.NotEmpty(in.Realm, s.Realm)
	if strings.ContainsFunc(s.Realm, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		r.Errorf(in.Realm.Expr.Range(), "Invalid realm", "A realm has printable ASCII characters, but neither \" nor \\.")
	}
	switch {
	case s.Header == "":
		r.NotEmpty(in.Header, s.Header)
	case !proxy.IsFieldName(s.Header):
		r.Errorf(in.Header.Expr.Range(), "Invalid header", "%q can't be the name of a field.", s.Header)
	case proxy.IsReserved(s.Header):
		r.Errorf(in.Header.Expr.Range(), "Invalid header", "The field %s can't hold the user, since the gateway itself uses it.", s.Header)
	}
	if s.UsersFile == "" {
		return s, r.Diags
	}
	if path != nil {
		s.UsersFile = path(s.UsersFile, in.UsersFile.Expr.Range())
	}
	var err error
	if s.users, err = readUsers(s.UsersFile); err != nil {
		r.Errorf(in.UsersFile.Expr.Range(), "Users can't be read", "%s.", strings.ReplaceAll(err.Error(), "\n", ".\n"))
	}
	return s, r.Diags
}

// Files names the file that the users were read from.
func (s *Spec) Files() []string {
	if s.UsersFile == "" {
		return nil
	}
	return []string{s.UsersFile}
}

// Redacted shows the block to people, and nothing of the users but their number.
func (s *Spec) Redacted() map[string]any {
	n := 0
	if s.users != nil {
		n = len(s.users.order)
	}
	return map[string]any{"users_file": s.UsersFile, "users": n, "realm": s.Realm, "forward": s.Forward, "header": s.Header}
}
