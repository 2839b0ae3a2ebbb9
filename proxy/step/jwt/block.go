package jwt

import (
	"slices"
	"strings"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
)

type providerBlock struct {
	Issuer     *hcl.Attribute `hcl:"issuer,optional"`
	Audiences  *hcl.Attribute `hcl:"audiences,optional"`
	Algorithms *hcl.Attribute `hcl:"algorithms,optional"`
	Locations  *hcl.Attribute `hcl:"locations,optional"`
	ClockSkew  *hcl.Attribute `hcl:"clock_skew,optional"`
	RequireExp *hcl.Attribute `hcl:"require_exp,optional"`
	KeySets    []keySetBlock  `hcl:"json_web_key_set,block"`
}

type keySetBlock struct {
	Local  []localBlock  `hcl:"local,block"`
	Remote []remoteBlock `hcl:"remote,block"`
	HMAC   []hmacBlock   `hcl:"hmac,block"`
	Range  hcl.Range     `hcl:",def_range"`
}

type localBlock struct {
	Filename *hcl.Attribute `hcl:"filename,optional"`
	Range    hcl.Range      `hcl:",def_range"`
}

type remoteBlock struct {
	URI           *hcl.Attribute `hcl:"uri,optional"`
	CacheDuration *hcl.Attribute `hcl:"cache_duration,optional"`
	Range         hcl.Range      `hcl:",def_range"`
}

type hmacBlock struct {
	SecretFile *hcl.Attribute `hcl:"secret_file,optional"`
	Range      hcl.Range      `hcl:",def_range"`
}

// DecodeProvider turns the body of a block `jwt "<name>"` that begins at at into
// a Spec. path resolves a file's name against the file that holds a range. With
// an error among the diagnostics the Spec is of no use but for its Name.
func DecodeProvider(body hcl.Body, name string, at hcl.Range, path func(path string, at hcl.Range) string) (*Spec, hcl.Diagnostics) {
	var in providerBlock
	r := reader{}
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	s := &Spec{
		Name:       name,
		Issuer:     r.Text(in.Issuer, ""),
		Audiences:  attr.Values(r.List(in.Audiences)),
		Algorithms: r.algorithms(in.Algorithms),
		Locations:  r.locations(in.Locations),
		ClockSkew:  r.Duration(in.ClockSkew, DefaultClockSkew, 0, MaxClockSkew),
		RequireExp: r.Bool(in.RequireExp, true),
	}
	r.NotEmpty(in.Issuer, s.Issuer)
	switch len(in.KeySets) {
	case 1:
		r.keySet(&in.KeySets[0], s, path)
	case 0:
		r.Errorf(at, "Missing json_web_key_set block", "A jwt provider needs one json_web_key_set block, which says where its keys are.")
	default:
		r.Errorf(in.KeySets[1].Range, "Duplicate json_web_key_set block", "A jwt provider has one json_web_key_set block. Another was defined at %s.", in.KeySets[0].Range)
	}
	r.suit(in.Algorithms, s, at)
	return s, r.Diags
}

// keySet reads where the keys are.
func (r *reader) keySet(b *keySetBlock, s *Spec, path func(string, hcl.Range) string) {
	if len(b.Local)+len(b.Remote)+len(b.HMAC) != 1 {
		r.Errorf(b.Range, "Invalid json_web_key_set block", "Exactly one of the blocks local, remote and hmac is required here.")
		return
	}
	for _, l := range b.Local {
		s.Source, s.File = LocalSource, r.file(l.Filename, "filename", l.Range, path)
	}
	for _, h := range b.HMAC {
		s.Source, s.File = SecretSource, r.file(h.SecretFile, "secret_file", h.Range, path)
	}
	for _, m := range b.Remote {
		s.Source = RemoteSource
		s.URI = r.Required(m.URI, "uri", m.Range)
		s.CacheDuration = r.Duration(m.CacheDuration, DefaultCacheDuration, MinCacheDuration, MaxCacheDuration)
		if s.URI == "" {
			continue
		}
		if err := checkURI(s.URI); err != nil {
			r.Errorf(m.URI.Expr.Range(), "Invalid uri", "The keys can't be fetched from here: %s.", err)
		}
	}
}

func (r *reader) file(a *hcl.Attribute, name string, block hcl.Range, path func(string, hcl.Range) string) string {
	s := r.Required(a, name, block)
	if s == "" || path == nil {
		return s
	}
	return path(s, a.Expr.Range())
}

// algorithms reads the names of algorithms.
func (r *reader) algorithms(a *hcl.Attribute) []string {
	names := algorithmNames()
	var out []string
	for _, it := range r.List(a) {
		switch {
		case strings.EqualFold(it.Value, "none"):
			r.Errorf(it.At, "Invalid algorithms", "Tokens without a signature are never accepted.")
		case !slices.Contains(names, it.Value):
			r.Errorf(it.At, "Invalid algorithms", "There is no algorithm %q. The algorithms are %s.%s", it.Value, strings.Join(names, ", "), attr.DidYouMean(it.Value, names))
		case !slices.Contains(out, it.Value):
			out = append(out, it.Value)
		}
	}
	if a != nil && len(out) == 0 && !r.ErrorWithin(a.Range) && !attr.Null(a) {
		r.Errorf(a.Expr.Range(), "Invalid algorithms", "An empty list would accept no token: leave the argument out for the algorithms that the keys declare.")
	}
	return out
}

// suit checks that the algorithms suit each other and the source of the keys.
func (r *reader) suit(a *hcl.Attribute, s *Spec, block hcl.Range) {
	want := named(s.Algorithms)
	symmetric := want & ofFamily(hmacFamily)
	at := block
	if a != nil {
		at = a.Expr.Range()
	}
	switch {
	case symmetric != 0 && symmetric != want:
		r.Errorf(at, "Invalid algorithms", "HMAC and public-key algorithms never mix on one provider, since a public key could then be used as a secret: give each a provider of its own.")
	case s.Source == SecretSource && symmetric == 0 && (a == nil || want != 0 || attr.Null(a)):
		r.Errorf(at, "Invalid algorithms", `A provider with an hmac block must name its algorithms: "HS256", "HS384" or "HS512".`)
	case s.Source == RemoteSource && symmetric != 0:
		r.Errorf(at, "Invalid algorithms", "HMAC algorithms need a secret of this gateway's own: an hmac or a local block, not a URL.")
	}
}

// locations reads where tokens may be.
func (r *reader) locations(a *hcl.Attribute) []Location {
	var out []Location
	for _, it := range r.List(a) {
		place, name, ok := strings.Cut(it.Value, ":")
		l := Location{Name: name}
		switch place {
		case "header":
			l.Place, l.Name = HeaderPlace, strings.ToLower(name)
			ok = ok && fieldName(name)
			if ok && reserved(l.Name) && l.Name != "authorization" {
				r.Errorf(it.At, "Invalid locations", "The field %s can't hold a token, since the gateway itself uses it.", name)
				continue
			}
		case "cookie":
			l.Place = CookiePlace
			ok = ok && fieldName(name)
		case "query":
			l.Place = QueryPlace
			ok = ok && parameterName(name)
		default:
			ok = false
		}
		if !ok {
			r.Errorf(it.At, "Invalid locations", `%q is not a location such as "header:Authorization", "cookie:session" or "query:token".`, it.Value)
			continue
		}
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	switch {
	case len(out) > MaxLocations:
		r.Errorf(a.Expr.Range(), "Invalid locations", "A provider looks for tokens in at most %d locations.", MaxLocations)
	case a != nil && len(out) == 0 && !attr.Null(a):
		if !r.ErrorWithin(a.Range) {
			r.Errorf(a.Expr.Range(), "Invalid locations", "A token must be somewhere: leave the argument out for Authorization.")
		}
	case len(out) == 0:
		out = []Location{{HeaderPlace, "authorization"}}
	}
	return out
}

type routeBlock struct {
	Provider *hcl.Attribute `hcl:"provider,optional"`
	Optional *hcl.Attribute `hcl:"optional,optional"`
	Forward  *hcl.Attribute `hcl:"forward,optional"`
	Headers  *hcl.Attribute `hcl:"claims_to_headers,optional"`
	Require  *hcl.Attribute `hcl:"require,optional"`
}

// DecodeRoute turns the body of a route's jwt block that begins at at into a
// RouteSpec. providers are the names of all providers. With an error among the
// diagnostics the RouteSpec is of no use.
func DecodeRoute(body hcl.Body, at hcl.Range, providers []string) (*RouteSpec, hcl.Diagnostics) {
	var in routeBlock
	r := reader{}
	r.Diags = append(r.Diags, gohcl.DecodeBody(body, nil, &in)...)
	s := &RouteSpec{
		Provider: r.Required(in.Provider, "provider", at),
		Optional: r.Bool(in.Optional, false),
		Forward:  r.Bool(in.Forward, true),
		Headers:  r.headers(in.Headers),
		Require:  r.requirements(in.Require),
	}
	if s.Provider != "" && !slices.Contains(providers, s.Provider) {
		r.Errorf(in.Provider.Expr.Range(), "Unknown jwt provider", "There is no block jwt %q.%s", s.Provider, attr.DidYouMean(s.Provider, providers))
	}
	return s, r.Diags
}

// headers reads which claims become fields.
func (r *reader) headers(a *hcl.Attribute) []HeaderSpec {
	var out []HeaderSpec
	for _, p := range r.Object(a) {
		claim, ok := r.String(p.Value)
		switch {
		case !fieldName(p.Key):
			r.Errorf(p.At, "Invalid claims_to_headers", "%q can't be the name of a field.", p.Key)
		case reserved(p.Key):
			r.Errorf(p.At, "Invalid claims_to_headers", "The field %s can't hold a claim, since the gateway itself uses it.", p.Key)
		case slices.ContainsFunc(out, func(h HeaderSpec) bool { return fold(h.Header) == fold(p.Key) }):
			r.Errorf(p.At, "Invalid claims_to_headers", "The field %s is set already.", p.Key)
		case ok && claim == "":
			r.Errorf(p.Value.Range(), "Invalid claims_to_headers", "The name of a claim is required here.")
		case ok:
			out = append(out, HeaderSpec{Header: p.Key, Claim: claim})
		}
	}
	return out
}
