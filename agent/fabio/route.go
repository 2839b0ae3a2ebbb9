package fabio

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The steps of the gateway that tags may ask for, by the names of their blocks.
const (
	stepRedirect = "redirect"
	stepRewrite  = "rewrite"
	stepAccess   = "ip_access"
)

// Route is what tags amount to. It is a route of the policy language, and Text
// writes it down.
type Route struct {
	Name    string
	Service string
	// Of is the tag that it is made of.
	Of string

	Host       string // empty for any
	PathPrefix string // empty for any
	PathRegex  string // instead of PathPrefix
	// Tags narrows the route to the instances that carry the tag; none when all do.
	Tags []string
	// Split divides the requests, in place of Service and Tags, which then say whose
	// route it is; none for a route that does not.
	Split []Share

	StripPrefix string
	Prepend     string
	HostHeader  string
	Protocol    string // that instances speak; empty for what else says so
	TLS         bool
	ServerName  string
	Allow, Deny []string
	Redirect    string // where to; empty for nowhere
	Status      int    // of the redirect

	weight float64 // of each instance with the tag, 0 for none
}

// translator makes routes of tags.
type translator struct {
	has func(step string) bool // the gateway knows the step

	tag     *Tag
	route   Route
	notes   []string // what the route does not do that the tag asks for
	refusal string   // why there is no route
}

// translate returns what a tag amounts to, and what people should know of that;
// nil, and the last note why, when it amounts to nothing.
func translate(service string, t *Tag, has func(step string) bool) (*Route, []string) {
	tr := &translator{has: has, tag: t, route: Route{Service: service, Of: t.Text}}
	tr.protocol()
	tr.host()
	tr.path()
	tr.options()
	tr.redirect()
	if tr.refusal != "" {
		return nil, append(tr.notes, "no route is made of it: "+tr.refusal)
	}
	return &tr.route, tr.notes
}

func (tr *translator) note(format string, args ...any) {
	tr.notes = append(tr.notes, fmt.Sprintf(format, args...))
}

// refuse says why there is no route; the first reason stays.
func (tr *translator) refuse(format string, args ...any) {
	if tr.refusal == "" {
		tr.refusal = fmt.Sprintf(format, args...)
	}
}

// wants reports whether the gateway has the step, and refuses the route when not.
func (tr *translator) wants(step, option string) bool {
	if !tr.has(step) {
		tr.refuse("%s= needs the step %s, which this version does not have", option, step)
		return false
	}
	return true
}

func (tr *translator) protocol() {
	switch p := tr.tag.Option("proto"); p {
	case "", "http":
		if tr.tag.Path == "" {
			tr.refuse("a port alone is for connections: write a tcp_route for the service")
		}
	case "https":
		tr.secure()
	case "grpc":
		tr.route.Protocol = "grpc"
	case "grpcs":
		tr.route.Protocol = "grpc"
		tr.route.ServerName = tr.tag.Option("grpcservername")
		tr.secure()
	default:
		tr.refuse("proto=%s: tags make routes for requests only; write a tcp_route for the service", p)
	}
}

// secure has instances spoken to by TLS.
func (tr *translator) secure() {
	tr.route.TLS = true
	if tr.tag.Option("tlsskipverify") == "true" {
		tr.note("tlsskipverify is refused, the certificate is verified by the authorities that this machine knows: " +
			"add the one that signed it, or write the route as a policy with upstream_tls { ca_file = ... }")
	}
}

func (tr *translator) host() {
	h := tr.tag.Host
	switch {
	case h == "*":
		h = ""
	case strings.ContainsAny(strings.TrimPrefix(h, "*."), "*?[]{}!\\") && !strings.HasPrefix(h, "["):
		tr.refuse("of globs a host may be \"*.\" and a name, for one label or more before it; write the hosts into a tag each, or a policy")
	}
	tr.route.Host = h
	if tr.tag.Port != "" && tr.tag.Path != "" {
		tr.note("the port %q is not matched: requests to the host on any port are meant, over TLS too", tr.tag.Port)
	}
}

// path maps fabio's prefix, which ends anywhere, to whole segments.
func (tr *translator) path() {
	p := tr.tag.Path
	if strings.ContainsAny(p, "?[]{}\\") {
		tr.refuse("the path holds %q: of globs \"*\" is understood, for any text", p[strings.IndexAny(p, "?[]{}\\")])
		return
	}
	if whole, ok := strings.CutSuffix(p, "/*"); ok && !strings.Contains(whole, "*") {
		p = whole + "/"
	}
	if strings.Contains(p, "*") {
		tr.route.PathRegex = strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*")
		return
	}
	tr.route.PathPrefix = strings.TrimRight(p, "/")
	if tr.route.PathPrefix == "" {
		return
	}
	if c := p[len(p)-1]; c != '/' && !isAlnum(c) && c < 0x80 {
		tr.note("whole segments are matched, and %q looks like the beginning of one: fabio matches %sx too; write %s* for that", p, p, Prefix+tr.tag.Host+p)
	}
}

// options goes through all words that are not read elsewhere.
func (tr *translator) options() {
	seen := map[string]bool{}
	for _, o := range tr.tag.Options {
		if seen[o.Name] {
			tr.note("%s is there more than once, the last one counts", o.Name)
			continue
		}
		seen[o.Name] = true
		v := tr.tag.Option(o.Name)
		switch o.Name {
		case "proto", "tlsskipverify", "redirect", "deny":
		case "strip":
			tr.strip(v)
		case "prepend":
			tr.prepend(v)
		case "host":
			tr.hostHeader(v)
		case "allow":
			tr.access(v, tr.tag.Option("deny"))
		case "auth":
			tr.refuse("auth=%s: who may come in is a policy's to say, with jwt or another step", v)
		case "weight":
			tr.weight(v)
		case "register":
			tr.note("register is ignored: the gateway registers itself alone, by the service block in its consul block")
		case "pxyproto":
			tr.note("pxyproto is ignored: instances are told of clients by X-Forwarded-For")
		case "grpcservername":
			if tr.tag.Option("proto") != "grpcs" {
				tr.note("grpcservername is ignored: it is for grpcs")
			}
		default:
			tr.note("the option %q is not known", o.Name)
		}
	}
	if seen["deny"] && !seen["allow"] {
		tr.access("", tr.tag.Option("deny"))
	}
}

func (tr *translator) strip(v string) {
	s := strings.TrimRight(v, "/")
	if s == "" {
		return // nothing is taken off
	}
	if tr.route.PathRegex != "" {
		tr.refuse("strip=%s: of a path with \"*\" nothing can be taken off", v)
		return
	}
	if p := tr.route.PathPrefix; p != s && !strings.HasPrefix(p, s+"/") {
		tr.refuse("strip=%s: only whole segments that every path of the route begins with can be taken off", v)
		return
	}
	tr.route.StripPrefix = s
}

func (tr *translator) prepend(v string) {
	s := strings.TrimRight(v, "/")
	switch {
	case s == "" || tr.tag.Option("redirect") != "":
		return // the redirect sees to it
	case !strings.HasPrefix(s, "/") || strings.ContainsAny(s, "{}?#"):
		tr.refuse("prepend=%s is not a path", v)
	case tr.wants(stepRewrite, "prepend"):
		tr.route.Prepend = s
	}
}

func (tr *translator) hostHeader(v string) {
	switch {
	case v == "":
		tr.note("host= names no host")
	case v == "dst":
		tr.note("host=dst: instances get the client's Host; one name for all of them can be given as host=name")
	default:
		tr.route.HostHeader = v
		if tr.route.TLS && tr.route.ServerName == "" {
			tr.route.ServerName, _ = cutPort(v)
		}
	}
}

// access reads who may come in. Whatever is not understood closes the route: to
// leave it out would let in who was kept out.
func (tr *translator) access(allow, deny string) {
	if !tr.wants(stepAccess, "allow= and deny") {
		return
	}
	if allow == "" && deny == "" {
		tr.refuse("allow= and deny= name no addresses")
		return
	}
	tr.route.Allow = tr.networks("allow", allow)
	if allow != "" && deny != "" {
		tr.note("deny is not looked at beside allow, as in fabio")
		return
	}
	tr.route.Deny = tr.networks("deny", deny)
}

func (tr *translator) networks(option, list string) []string {
	var out []string
	if list == "" {
		return nil
	}
	for e := range strings.SplitSeq(list, ",") {
		text := strings.TrimPrefix(strings.TrimSpace(e), "ip:")
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, bad := netip.ParseAddr(text)
			if bad != nil || a.Zone() != "" {
				tr.refuse("%s= has %q, which is neither ip:address nor ip:network", option, e)
				return nil
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if s := p.Masked().String(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// statuses are the redirects that clients follow.
var statuses = []int{301, 302, 303, 307, 308}

func (tr *translator) redirect() {
	v := tr.tag.Option("redirect")
	if v == "" {
		return
	}
	code, to, ok := strings.Cut(v, ",")
	status, err := strconv.Atoi(code)
	switch {
	case !ok || to == "" || strings.Contains(to, ","):
		tr.refuse("redirect=%s: it is redirect=status,address", v)
		return
	case err != nil || !slices.Contains(statuses, status):
		tr.refuse("redirect=%s: the status is 301, 302, 303, 307 or 308", v)
		return
	case strings.ContainsAny(to, "{}"):
		tr.refuse("redirect=%s: braces must be escaped as %%7B and %%7D", v)
		return
	case !tr.wants(stepRedirect, "redirect"):
		return
	}
	path := "{path}"
	if tr.route.StripPrefix != "" {
		path = "{rest}"
	}
	path = strings.TrimRight(tr.tag.Option("prepend"), "/") + path
	if !strings.Contains(to, "?") {
		path += "{query}"
	}
	to = strings.ReplaceAll(to, "/$path", "$path")
	to = strings.ReplaceAll(to, "$host", "{host}")
	tr.route.Redirect, tr.route.Status = strings.Replace(to, "$path", path, 1), status
}
