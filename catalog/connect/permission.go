package connect

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/consul/api"
)

// permission is one of an intention's: all of its conditions must be met for it to
// decide about a request.
type permission struct {
	name    string // for people
	allow   bool
	path    func(path []byte) match // nil for any
	methods []string                // none for any
	headers []*header
	// doubt is why it can't be judged, nil when it can. What else it says is judged
	// all the same, and a request that meets that is denied.
	doubt error
	// denied is what a request is told that it denies.
	denied error
}

// newPermission takes in a permission as it is configured. Normal reports whether
// a path is spelt as those of requests are, by which it is judged; nil says yes.
// An unknown error says what of it this version does not know: then nothing of it
// is known for sure.
func newPermission(c *api.IntentionPermission, unknown error, normal func(path string) bool) *permission {
	p := &permission{}
	if c == nil {
		p.doubt = errors.New("it says nothing")
		return p
	}
	if unknown != nil {
		p.doubt = unknown
		return p
	}
	switch c.Action {
	case api.IntentionActionAllow:
		p.allow = true
	case api.IntentionActionDeny:
	default:
		p.doubt = fmt.Errorf("its action %q is not known", c.Action)
	}
	if c.JWT != nil {
		p.doubt = errToken
	}
	if c.HTTP != nil {
		p.takeHTTP(c.HTTP, normal)
	}
	if p.doubt == nil && p.path == nil && len(p.methods) == 0 && len(p.headers) == 0 {
		p.doubt = errors.New("it has no condition")
	}
	return p
}

// errToken is a demand for a token: whose claims count is not looked at here.
var errToken = errors.New("it demands a token (JWT), which is not judged here")

// takeHTTP takes in the conditions on the request.
func (p *permission) takeHTTP(c *api.IntentionHTTPPermission, normal func(path string) bool) {
	if err := p.takePath(c, normal); err != nil {
		p.doubt = err
	}
	p.methods = c.Methods
	for i := range c.Header {
		h, err := newHeader(&c.Header[i])
		if err != nil {
			p.doubt = err
			continue
		}
		p.headers = append(p.headers, h)
	}
}

// takePath takes in the condition on the path, without the query.
func (p *permission) takePath(c *api.IntentionHTTPPermission, normal func(path string) bool) error {
	said := 0
	for _, text := range []string{c.PathExact, c.PathPrefix, c.PathRegex} {
		if text != "" {
			said++
		}
	}
	switch {
	case said > 1:
		return errors.New("it says of the path several things instead of one")
	case c.PathExact != "":
		if normal != nil && !normal(c.PathExact) {
			return fmt.Errorf("no request has the path %q: it is not in normal form", c.PathExact)
		}
		want := []byte(c.PathExact)
		p.path = func(path []byte) match { return matches(bytes.Equal(path, want)) }
	case c.PathPrefix != "":
		// A letter may follow: "/." is where a path can go on, and none in itself.
		if normal != nil && !normal(c.PathPrefix+"x") {
			return fmt.Errorf("no request has a path that begins with %q: it is not in normal form", c.PathPrefix)
		}
		want := []byte(c.PathPrefix)
		p.path = func(path []byte) match { return matches(bytes.HasPrefix(path, want)) }
	case c.PathRegex != "":
		expression, err := whole(c.PathRegex)
		if err != nil {
			return fmt.Errorf("the condition on the path: %w", err)
		}
		p.path = func(path []byte) match { return matchesExpression(expression, path) }
	}
	return nil
}

// match reports whether the permission decides about the request: maybe is that
// nobody knows.
func (p *permission) match(r Request) match {
	is := yes
	if p.doubt != nil {
		is = maybe
	}
	if len(p.methods) > 0 && !slices.ContainsFunc(p.methods, func(m string) bool { return string(r.Method()) == m }) {
		return no
	}
	if p.path != nil {
		switch p.path(r.Path()) {
		case no:
			return no
		case maybe:
			is = maybe
		}
	}
	for _, h := range p.headers {
		switch h.match(r) {
		case no:
			return no
		case maybe:
			is = maybe
		}
	}
	return is
}

// permissions are an intention's, in their order. They are immutable.
type permissions struct {
	of   string // the intention's source, for people
	list []*permission
	// rest is what a request is told that none of them decides about, nil to let
	// it pass: the default, whatever intentions of lower precedence say.
	rest error
}

// judge returns why the request is denied, nil when it is not: the first
// permission that is met decides. By is that one, nil when the default decides.
func (p *permissions) judge(r Request) (by *permission, denied error) {
	for _, x := range p.list {
		switch x.match(r) {
		case yes:
			if x.allow {
				return x, nil
			}
			return x, x.denied
		case maybe:
			return x, x.denied
		}
	}
	return nil, p.rest
}

// newPermissions takes in those of a rule. The default decides about the rest.
func newPermissions(x *rule, byDefault bool, normal func(path string) bool) *permissions {
	p := &permissions{of: x.SourceString(), list: make([]*permission, 0, len(x.Permissions))}
	for i, c := range x.Permissions {
		q := newPermission(c, x.unknown(i), normal)
		q.name = fmt.Sprintf("permission %d of %s", i+1, p.of)
		q.denied = fmt.Errorf("%s denies it", q.name)
		if q.doubt != nil {
			q.denied = fmt.Errorf("%s can't be judged, which denies: %w", q.name, q.doubt)
		} else if q.allow {
			q.denied = fmt.Errorf("%s can't be judged of what is not UTF-8, which denies", q.name)
		}
		p.list = append(p.list, q)
	}
	if !byDefault {
		p.rest = errors.New(p.unspoken(byDefault))
	}
	return p
}

// unspoken says that the default decides about a request.
func (p *permissions) unspoken(byDefault bool) string {
	return "no permission of " + p.of + " is about it, and the default is " + word(byDefault)
}

// doubts says what of them can't be judged.
func (p *permissions) doubts() (list []string) {
	for _, x := range p.list {
		if x.doubt != nil {
			list = append(list, "mesh: "+x.denied.Error())
		}
	}
	return list
}
