package config

import (
	"maps"

	"github.com/hashicorp/hcl/v2"
)

// Login is how the gateway gets an ACL token by one of Consul's auth methods.
type Login struct {
	AuthMethod string
	// BearerTokenFile holds what proves who the gateway is, such as a JWT.
	BearerTokenFile string
	// Meta is noted with the tokens; nil for none.
	Meta map[string]string
}

type loginBlock struct {
	AuthMethod      *hcl.Attribute `hcl:"auth_method,optional"`
	BearerTokenFile *hcl.Attribute `hcl:"bearer_token_file,optional"`
	Meta            *hcl.Attribute `hcl:"meta,optional"`
	Range           hcl.Range      `hcl:",def_range"`
}

// login reads the block; token is the attribute that it excludes.
func (r *reader) login(in *loginBlock, token *hcl.Attribute) *Login {
	if in == nil {
		return nil
	}
	if token != nil {
		r.Errorf(in.Range, "Two tokens for Consul", "The token comes by a login, or from token_file; one of the two has to go.")
	}
	l := &Login{AuthMethod: r.Required(in.AuthMethod, "auth_method", in.Range)}
	if r.Required(in.BearerTokenFile, "bearer_token_file", in.Range) != "" {
		l.BearerTokenFile = r.path(in.BearerTokenFile, "")
	}
	for _, p := range r.Pairs(in.Meta) {
		if l.Meta == nil {
			l.Meta = map[string]string{}
		}
		l.Meta[p.Key] = p.Value
	}
	return l
}

func (l *Login) redacted() object {
	return object{"auth_method": l.AuthMethod, "bearer_token_file": l.BearerTokenFile, "meta": maps.Clone(l.Meta)}
}
