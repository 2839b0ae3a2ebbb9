package jwt

import (
	"math/big"
	"slices"
	"time"
)

// Defaults of a provider.
const (
	DefaultClockSkew     = 30 * time.Second
	DefaultCacheDuration = 10 * time.Minute
)

// Bounds of a provider and of a route's jwt block.
const (
	MaxClockSkew     = time.Hour
	MinCacheDuration = 10 * time.Second
	MaxCacheDuration = 24 * time.Hour
	MaxLocations     = 8
)

// Source is the kind of place that a provider's keys come from.
type Source uint8

// The sources.
const (
	LocalSource  Source = iota + 1 // a file with a JSON Web Key Set
	RemoteSource                   // a URL of one
	SecretSource                   // a file with an HMAC secret
)

// Spec is one provider of a policy: valid, with all defaults filled in.
type Spec struct {
	// Name is unique among the providers.
	Name string
	// Issuer is what iss must be; empty means that it is not looked at.
	Issuer string
	// Audiences lists what aud may be, one of which suffices; empty means that
	// it is not looked at.
	Audiences []string
	// Algorithms lists the names of those that are accepted; empty means the
	// asymmetric ones that the keys declare.
	Algorithms []string
	Source     Source
	// File is the absolute name of the file of a LocalSource or SecretSource.
	File string
	// URI is where a RemoteSource is, and CacheDuration how long its keys are
	// used before they are fetched again.
	URI           string
	CacheDuration time.Duration
	// Locations lists where a token may be, in the order of preference.
	Locations []Location
	// ClockSkew is how much exp and nbf may be missed by.
	ClockSkew time.Duration
	// RequireExp refuses a token that never expires.
	RequireExp bool
}

// Equal reports whether two providers are alike in everything, so that the keys
// and verified tokens of one are those of the other.
func (s *Spec) Equal(o *Spec) bool {
	return s.Name == o.Name && s.Issuer == o.Issuer && slices.Equal(s.Audiences, o.Audiences) &&
		slices.Equal(s.Algorithms, o.Algorithms) && s.Source == o.Source && s.File == o.File && s.URI == o.URI &&
		s.CacheDuration == o.CacheDuration && slices.Equal(s.Locations, o.Locations) &&
		s.ClockSkew == o.ClockSkew && s.RequireExp == o.RequireExp
}

// Redacted returns the provider as JSON values in the policy's names. A secret
// is named by its file only.
func (s *Spec) Redacted() map[string]any {
	set := map[string]any{}
	switch s.Source {
	case LocalSource:
		set["local"] = map[string]any{"filename": s.File}
	case RemoteSource:
		set["remote"] = map[string]any{"uri": shownURI(s.URI), "cache_duration": s.CacheDuration.String()}
	case SecretSource:
		set["hmac"] = map[string]any{"secret_file": s.File}
	}
	locations := make([]string, len(s.Locations))
	for i, l := range s.Locations {
		locations[i] = l.String()
	}
	return map[string]any{
		"issuer": s.Issuer, "audiences": shown(s.Audiences), "algorithms": shown(s.Algorithms), "json_web_key_set": set,
		"locations": locations, "clock_skew": s.ClockSkew.String(), "require_exp": s.RequireExp,
	}
}

// shown makes an empty list of an absent one.
func shown(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// Place is the kind of place in a request that a token may be in.
type Place uint8

// The places.
const (
	HeaderPlace Place = iota + 1
	CookiePlace
	QueryPlace
)

// String returns the policy's word for the place.
func (p Place) String() string {
	switch p {
	case HeaderPlace:
		return "header"
	case CookiePlace:
		return "cookie"
	case QueryPlace:
		return "query"
	}
	return "unknown"
}

// Location is where a token may be in a request.
type Location struct {
	Place Place
	// Name is that of a field, in lower case, a cookie or a query parameter.
	Name string
}

// String writes the location as in a policy.
func (l Location) String() string { return l.Place.String() + ":" + l.Name }

// RouteSpec is one jwt block of a route: valid, with all defaults filled in.
type RouteSpec struct {
	// Provider is the name of the Spec that vouches for tokens.
	Provider string
	// Optional lets a request without a token pass.
	Optional bool
	// Forward lets the token go upstream.
	Forward bool
	// Headers says which claims become fields, by the field's name.
	Headers []HeaderSpec
	// Require lists what the claims must hold, by the claim's name.
	Require []Requirement
}

// HeaderSpec is a field made of a claim.
type HeaderSpec struct {
	Header string // as it is written
	Claim  string // its name, or else a path with dots
}

// Requirement is what one claim must hold.
type Requirement struct {
	Claim string // its name, or else a path with dots
	// Values are all in the claim, or are the claim.
	Values []Value
}

// Value is a string, number or bool that a claim must hold. Exactly one of its
// pointers is set.
type Value struct {
	String *string
	Number *big.Float
	Bool   *bool
}

// Redacted returns the block as JSON values in the policy's names.
func (s *RouteSpec) Redacted() map[string]any {
	headers := map[string]any{}
	for _, h := range s.Headers {
		headers[h.Header] = h.Claim
	}
	require := map[string]any{}
	for _, r := range s.Require {
		values := make([]any, len(r.Values))
		for i, v := range r.Values {
			values[i] = v.plain()
		}
		require[r.Claim] = values
	}
	return map[string]any{
		"provider": s.Provider, "optional": s.Optional, "forward": s.Forward,
		"claims_to_headers": headers, "require": require,
	}
}

func (v Value) plain() any {
	switch {
	case v.String != nil:
		return *v.String
	case v.Bool != nil:
		return *v.Bool
	}
	f, _ := v.Number.Float64()
	return f
}
