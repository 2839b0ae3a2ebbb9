package fabio

import (
	"strings"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy/router"
)

// Covered returns the name of a policy's route that answers what the route of a tag
// asks for, since policies come first; empty for none. Only policies without
// conditions are looked at, and regexes are not.
func Covered(r *Route, policies []config.Route) string {
	if r.PathRegex != "" {
		return ""
	}
	var rules []router.Rule
	for i := range policies {
		p := &policies[i]
		if !p.Last && len(p.Headers)+len(p.Query) == 0 {
			rules = append(rules, p.Rule())
		}
	}
	all, err := router.New(rules)
	if err != nil {
		return ""
	}
	host := r.Host
	if strings.HasPrefix(host, "*.") {
		host = "~" + host[1:] // which no policy names
	}
	name := ""
	// Below the path, and far below: where one policy has both it has all of it, as
	// far as people write policies.
	for _, below := range []string{"/~", "/~/~/~"} {
		path, err := router.Normalize(nil, []byte(r.PathPrefix+below), router.PathOptions{MergeSlashes: true})
		if err != nil {
			return ""
		}
		m := all.Match(&router.Request{Host: []byte(host), Path: path, Method: []byte("GET")})
		if m.Rule < 0 {
			return ""
		}
		name = rules[m.Rule].Name
	}
	return name
}
