package externalauth

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy"
)

// Defaults and bounds of a block.
const (
	DefaultTimeout = time.Second
	MaxTimeout     = time.Minute
	MaxCache       = time.Hour
	mostFields     = 32
)

type block struct {
	URL               *hcl.Attribute `hcl:"url,optional"`
	Timeout           *hcl.Attribute `hcl:"timeout,optional"`
	HeadersToAuth     *hcl.Attribute `hcl:"headers_to_auth,optional"`
	HeadersToUpstream *hcl.Attribute `hcl:"headers_to_upstream,optional"`
	HeadersToClient   *hcl.Attribute `hcl:"headers_to_client,optional"`
	Fail              *hcl.Attribute `hcl:"fail,optional"`
	Cache             *hcl.Attribute `hcl:"cache,optional"`
}

// Spec is what a block external_auth says.
type Spec struct {
	URL     string
	Timeout time.Duration
	// HeadersToAuth are the fields of the request that the service gets to see,
	// HeadersToUpstream those of its answer that the instance gets, and
	// HeadersToClient those of its refusal that the client gets.
	HeadersToAuth, HeadersToUpstream, HeadersToClient []string
	// FailOpen lets requests pass while the service is not there.
	FailOpen bool
	// Cache is how long it is remembered that a request may pass; 0 for not at all.
	Cache time.Duration
}

var (
	defaultToAuth   = []string{"Authorization", "Cookie"}
	defaultToClient = []string{"WWW-Authenticate", "Location", "Set-Cookie"}
)

// Which of the fields that the gateway itself looks at may travel.
var (
	mayGoToAuth     = []proxy.ID{proxy.Authorization, proxy.Cookie, proxy.Accept, proxy.UserAgent, proxy.Referer, proxy.Origin, proxy.ContentType}
	mayGoToUpstream = []proxy.ID{proxy.Authorization, proxy.Cookie}
	mayGoToClient   = []proxy.ID{proxy.WWWAuthenticate, proxy.Location, proxy.RetryAfter}
)

// Decode turns the body of a block external_auth that begins at at into a Spec.
func Decode(body hcl.Body, at hcl.Range) (*Spec, hcl.Diagnostics) {
	var in block
	r := reader{}
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	s := &Spec{
		URL:               r.Required(in.URL, "url", at),
		Timeout:           r.Duration(in.Timeout, DefaultTimeout, time.Millisecond, MaxTimeout),
		HeadersToAuth:     r.fields(in.HeadersToAuth, defaultToAuth, mayGoToAuth),
		HeadersToUpstream: r.fields(in.HeadersToUpstream, nil, mayGoToUpstream),
		HeadersToClient:   r.fields(in.HeadersToClient, defaultToClient, mayGoToClient),
		FailOpen:          r.Enum(in.Fail, "closed", "closed", "open") == "open",
		Cache:             r.Duration(in.Cache, 0, 0, MaxCache),
	}
	if s.URL != "" {
		r.url(in.URL, s.URL)
	}
	return s, r.Diags
}

type reader struct{ attr.Reader }

func (r *reader) url(a *hcl.Attribute, s string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "":
		r.Errorf(a.Expr.Range(), "Invalid url", `The service is asked at a URL such as "http://auth.internal:9000/check".`)
	case u.User != nil:
		r.Errorf(a.Expr.Range(), "Invalid url", "A URL holds no password, since it is shown to people.")
	}
}

// fields reads names of fields. Those that the gateway uses itself may travel only
// if they are among these.
func (r *reader) fields(a *hcl.Attribute, byDefault []string, known []proxy.ID) []string {
	if a == nil || attr.Null(a) {
		return byDefault
	}
	var out []string
	for _, it := range r.Unique(a) {
		switch {
		case !proxy.IsFieldName(it.Value):
			r.Errorf(it.At, "Invalid "+a.Name, "%q can't be the name of a field.", it.Value)
		case proxy.IsReserved(it.Value) && !allowed(it.Value, known), strings.EqualFold(it.Value, marker):
			r.Errorf(it.At, "Invalid "+a.Name, "The field %s can't be used here, since the gateway itself writes it.", it.Value)
		default:
			out = append(out, it.Value)
		}
	}
	if len(out) > mostFields {
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "At most %d fields can be named.", mostFields)
	}
	return out
}

func allowed(name string, known []proxy.ID) bool {
	return slices.Contains(known, proxy.Classify([]byte(name)))
}

// Redacted shows the block to people, without the parameters of the URL.
func (s *Spec) Redacted() map[string]any {
	shown, _, query := strings.Cut(s.URL, "?")
	if query {
		shown += "?(redacted)"
	}
	fail := "closed"
	if s.FailOpen {
		fail = "open"
	}
	list := func(l []string) []string { return append([]string{}, l...) }
	return map[string]any{
		"url": shown, "timeout": s.Timeout.String(), "headers_to_auth": list(s.HeadersToAuth), "headers_to_upstream": list(s.HeadersToUpstream),
		"headers_to_client": list(s.HeadersToClient), "fail": fail, "cache": s.Cache.String(),
	}
}
