package fabio

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// maxName leaves room for the digest at the end of a route's name.
const maxName = 100

// name is the route's name: the same for as long as it is the same service, host
// and path, and another one for any other.
func (r *Route) name() string {
	where := r.Host + r.PathPrefix + r.PathRegex
	digest := sha256.Sum256([]byte(r.Service + "\x00" + r.Host + "\x00" + r.PathPrefix + "\x00" + r.PathRegex))
	text := strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '.' || c == '_' {
			return c
		}
		return '-'
	}, "fabio-"+r.Service+"-"+where)
	text = strings.TrimRight(text[:min(len(text), maxName)], "-")
	return text + "-" + hex.EncodeToString(digest[:6])
}

// body writes what the route does, and not what it is called nor which instances it
// is for: two tags with the same body mean the same.
func (r *Route) body() string { return r.where() + "service = " + written(r.Service) + "\n" + r.does() }

// written is a string in the policy language.
func written(s string) string { return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes()) }

// where writes what the route matches.
func (r *Route) where() string {
	text := ""
	if r.Host != "" {
		text = "hosts = " + string(hclwrite.TokensForValue(list([]string{r.Host})).Bytes()) + "\n"
	}
	if r.PathPrefix != "" {
		text += "path_prefix = " + written(r.PathPrefix) + "\n"
	}
	if r.PathRegex != "" {
		text += "path_regex = " + written(r.PathRegex) + "\n"
	}
	return text
}

// does writes what becomes of requests, whoever they go to.
func (r *Route) does() string {
	var b strings.Builder
	set := func(name string, v cty.Value) {
		fmt.Fprintf(&b, "%s = %s\n", name, hclwrite.TokensForValue(v).Bytes())
	}
	text := func(name, v string) {
		if v != "" {
			set(name, cty.StringVal(v))
		}
	}
	text("strip_prefix", r.StripPrefix)
	text("host_header", r.HostHeader)
	text("protocol", r.Protocol)
	if r.TLS {
		b.WriteString("upstream_tls {\n")
		text("server_name", r.ServerName)
		b.WriteString("}\n")
	}
	if len(r.Allow)+len(r.Deny) > 0 {
		b.WriteString("ip_access {\n")
		if len(r.Allow) > 0 {
			set("allow", list(r.Allow))
		}
		if len(r.Deny) > 0 {
			set("deny", list(r.Deny))
		}
		b.WriteString("}\n")
	}
	if r.Redirect != "" {
		b.WriteString("redirect {\n")
		text("to", r.Redirect)
		set("status", cty.NumberIntVal(int64(r.Status)))
		b.WriteString("}\n")
	}
	if r.Prepend != "" {
		b.WriteString("rewrite {\n")
		text("prefix", r.Prepend)
		b.WriteString("}\n")
	}
	return b.String()
}

// Text is the route in the policy language.
func (r *Route) Text() string {
	body := r.body() + narrowed(r.Tags)
	if len(r.Split) > 0 {
		body = r.where()
		for i := range r.Split {
			s := &r.Split[i]
			body += fmt.Sprintf("split %s {\nweight = %d\n%s}\n", written(s.Service), s.Weight, narrowed(s.Tags))
		}
		body += r.does()
	}
	return string(hclwrite.Format([]byte("route " + written(r.Name) + " {\n" + body + "}\n")))
}

// narrowed says which instances are meant; all, without tags.
func narrowed(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	return "tags = " + string(hclwrite.TokensForValue(list(tags)).Bytes()) + "\n"
}

func list(all []string) cty.Value {
	values := make([]cty.Value, len(all))
	for i, s := range all {
		values[i] = cty.StringVal(s)
	}
	return cty.TupleVal(values)
}
