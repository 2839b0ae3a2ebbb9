package limit

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/lictor/lictor/limits"
)

// Block is what every limit block holds, besides what its algorithm adds.
type Block struct {
	Key          *hcl.Attribute `hcl:"key,optional"`
	Scope        *hcl.Attribute `hcl:"scope,optional"`
	Mode         *hcl.Attribute `hcl:"mode,optional"`
	Cost         *hcl.Attribute `hcl:"cost,optional"`
	Unit         *hcl.Attribute `hcl:"unit,optional"`
	OnStoreError *hcl.Attribute `hcl:"on_store_error,optional"`
	Lease        *hcl.Attribute `hcl:"lease,optional"`
	MaxKeys      *hcl.Attribute `hcl:"max_keys,optional"`
	Headers      *hcl.Attribute `hcl:"headers,optional"`
	IPv6Prefix   *hcl.Attribute `hcl:"ipv6_prefix,optional"`
	IPv4Prefix   *hcl.Attribute `hcl:"ipv4_prefix,optional"`

	// Own are the algorithm's attributes.
	Own hcl.Body `hcl:",remain"`
}

// Decode turns a block `limit "<algorithm>" "<name>"` into a Spec. With an
// error among the diagnostics the Spec is of no use but for its Name.
func Decode(b *hcl.Block) (Spec, hcl.Diagnostics) {
	s := Spec{Algorithm: b.Labels[0], Name: b.Labels[1]}
	algorithm, ok := limits.Lookup(s.Algorithm)
	if !ok {
		return s, hcl.Diagnostics{attr.Fault(b.LabelRanges[0], "Unknown limit algorithm", "There is no algorithm %q. The algorithms are %s.%s",
			s.Algorithm, strings.Join(algorithms(), ", "), attr.DidYouMean(s.Algorithm, algorithms()))}
	}
	own := algorithm.New()
	diags := checkNames(b.Body, own)

	var in Block
	diags = append(diags, gohcl.DecodeBody(b.Body, nil, &in)...)
	var more hcl.Diagnostics
	s.Key, more = DecodeKey(in.Key)
	if exprOf(in.Key) == nil && s.Algorithm == limits.AdaptiveConcurrencyName {
		s.Key = []KeyPart{{Kind: ServiceName}}
	}
	diags = append(diags, more...)
	var r attr.Reader
	s.Scope = choose[Scope](&r, in.Scope, scopes)
	s.Mode = choose[Mode](&r, in.Mode, modes)
	s.OnStoreError = choose[OnStoreError](&r, in.OnStoreError, storeErrors)
	s.Headers = choose[Headers](&r, in.Headers, headerWords)
	s.Unit = choose[Unit](&r, in.Unit, units)
	price := ReadCost(&r, exprOf(in.Cost), 1)
	s.Cost, s.MethodCosts = price.Each, price.Methods
	s.Lease = r.Int(in.Lease, 1, 1, math.MaxInt64)
	s.MaxKeys = int(r.Int(in.MaxKeys, limits.DefaultMaxKeys, 1, MostKeys))
	s.IPv6Prefix = int(r.Int(in.IPv6Prefix, DefaultIPv6Prefix, 1, 128))
	s.IPv4Prefix = int(r.Int(in.IPv4Prefix, DefaultIPv4Prefix, 1, 32))

	diags = append(diags, r.Diags...)

	bad := gohcl.DecodeBody(known{in.Own}, nil, own)
	bad = slices.DeleteFunc(bad, func(d *hcl.Diagnostic) bool {
		return strings.HasSuffix(d.Detail, ": value must be known") // follows an error that says why it isn't
	})
	spec, err := own.Spec()
	switch {
	case bad.HasErrors():
		return s, slices.Concat(diags, bad, others(faults(b, in.Own, err), bad, b.DefRange))
	case err != nil:
		return s, append(diags, faults(b, in.Own, err)...)
	}
	s.Limit = spec
	at := b.DefRange
	if in.Cost != nil {
		at = in.Cost.Expr.Range()
	}
	if bad := s.CheckCost(price, at); bad != nil {
		diags = append(diags, bad)
	}
	diags = append(diags, checkUnit(b, &in, &s)...)
	diags = append(diags, checkHolder(b, &in, &s)...)
	return s, append(diags, checkShared(b, &in, &s)...)
}

func exprOf(a *hcl.Attribute) hcl.Expression {
	if a == nil || attr.Null(a) {
		return nil
	}
	return a.Expr
}

// placeOf is where an attribute is written, or else the block.
func placeOf(a *hcl.Attribute, b *hcl.Block) hcl.Range {
	if a == nil {
		return b.DefRange
	}
	return a.Expr.Range()
}

// checkUnit refuses to count bytes where that can't be done afterwards, when more
// of them have come than was known before.
func checkUnit(b *hcl.Block, in *Block, s *Spec) (diags hcl.Diagnostics) {
	if s.Unit == Requests {
		return nil
	}
	at := placeOf(in.Unit, b)
	queueing, _ := s.Limit.(limits.LeakyBucketSpec)
	_, sliding := s.Limit.(limits.SlidingWindowSpec)
	switch {
	case s.Holds():
		diags = append(diags, attr.Fault(at, "Invalid unit", "A limit of the algorithm %s counts requests in flight, not bytes.", s.Algorithm))
	case sliding:
		diags = append(diags, attr.Fault(at, "Invalid unit", "A sliding window can't count bytes, because it can't be overdrawn: the length of a body may be known only when it has come. Take a token_bucket or a fixed_window."))
	case queueing.Queue > 0:
		diags = append(diags, attr.Fault(at, "Invalid unit", "A queue is one of requests: it can't count bytes."))
	case s.Scope != Local:
		diags = append(diags, attr.Fault(placeOf(in.Scope, b), "Invalid scope", "A limit that counts bytes is each gateway's own, scope = %q: what a body turns out to be longer than was known can't be charged elsewhere.", Local))
	}
	return diags
}

// checkHolder refuses what can't be said of requests in flight.
func checkHolder(b *hcl.Block, in *Block, s *Spec) (diags hcl.Diagnostics) {
	window, _ := s.Limit.(limits.FixedWindowSpec)
	switch {
	case s.Holds() && s.Scope == Shared:
		diags = append(diags, attr.Fault(placeOf(in.Scope, b), "Invalid scope", "What is in flight is in flight at one gateway: a limit of the algorithm %s has scope = %q.", s.Algorithm, Local))
	case window.Calendar != "" && s.Scope != Local:
		diags = append(diags, attr.Fault(placeOf(in.Scope, b), "Invalid scope", "A window with align = %q is counted by each gateway for itself, scope = %q: neither a store nor a fleet knows calendars.", limits.AlignCalendar, Local))
	}
	if _, adaptive := s.Limit.(limits.AdaptiveConcurrencySpec); !adaptive {
		return diags
	}
	for _, p := range s.Key {
		if p.Kind != ServiceName && p.Kind != RouteName {
			diags = append(diags, attr.Fault(placeOf(in.Key, b), "Invalid key", "A limit of the algorithm %s learns what a service can bear: its key is made of service.name and route.name only, not of %s.", s.Algorithm, p))
		}
	}
	return diags
}

// checkShared refuses what the limits of one gateway can have and shared ones
// can't, and the other way round.
func checkShared(b *hcl.Block, in *Block, s *Spec) (diags hcl.Diagnostics) {
	if s.Scope == Shared && s.Limit.Capacity() > MostShared {
		diags = append(diags, attr.Fault(b.DefRange, "Limit can't be shared", "A store counts to %d at most.", int64(MostShared)))
	}
	if s.Lease == 1 {
		return diags
	}
	at := in.Lease.Expr.Range()
	queueing, _ := s.Limit.(limits.LeakyBucketSpec)
	switch {
	case s.Scope != Shared:
		diags = append(diags, attr.Fault(at, "Invalid lease", "A lease is taken from a store, so that only a limit with scope = %q has one.", Shared))
	case s.Lease > s.Limit.Capacity():
		diags = append(diags, attr.Fault(at, "Invalid lease", "A lease of %d is more than the %d that can ever be spent at once.", s.Lease, s.Limit.Capacity()))
	case queueing.Queue > 0:
		diags = append(diags, attr.Fault(at, "Invalid lease", "A queue has no leases: every request waits for its own turn."))
	}
	return diags
}

// checkNames refuses what neither every limit nor the algorithm knows. It looks
// at both at once, so that a suggestion for a misspelt name knows all of them.
func checkNames(body hcl.Body, own limits.Block) hcl.Diagnostics {
	common, _ := gohcl.ImpliedBodySchema(Block{})
	special, _ := gohcl.ImpliedBodySchema(own)
	all := &hcl.BodySchema{Blocks: special.Blocks}
	for _, a := range slices.Concat(special.Attributes, common.Attributes) {
		all.Attributes = append(all.Attributes, hcl.AttributeSchema{Name: a.Name})
	}
	_, diags := body.Content(all)
	return diags
}

// known is a body of which unknown names have been refused already.
type known struct{ hcl.Body }

// Content implements hcl.Body.
func (k known) Content(s *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	content, _, diags := k.PartialContent(s)
	return content, diags
}

// faults turns the errors of an algorithm's Spec into diagnostics, each at the
// attribute that it is about.
func faults(b *hcl.Block, own hcl.Body, err error) hcl.Diagnostics {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var diags hcl.Diagnostics
		for _, e := range joined.Unwrap() {
			diags = append(diags, faults(b, own, e)...)
		}
		return diags
	}
	var bad *limits.AttributeError
	if !errors.As(err, &bad) {
		return hcl.Diagnostics{attr.Fault(b.DefRange, "Invalid limit", "%s", attr.Sentence(err))}
	}
	at := b.DefRange
	content, _, _ := own.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: bad.Attribute}}})
	if content != nil && content.Attributes[bad.Attribute] != nil {
		at = content.Attributes[bad.Attribute].Expr.Range()
	}
	return hcl.Diagnostics{attr.Fault(at, "Invalid "+bad.Attribute, "%s", attr.Sentence(bad.Err))}
}

// others returns the faults of attributes that were decoded. Those that were not
// read as zero, and what is wrong with that is no news.
func others(all, undecoded hcl.Diagnostics, block hcl.Range) hcl.Diagnostics {
	return slices.DeleteFunc(all, func(d *hcl.Diagnostic) bool {
		return *d.Subject == block || slices.ContainsFunc(undecoded, func(u *hcl.Diagnostic) bool { return u.Subject != nil && u.Subject.Overlaps(*d.Subject) })
	})
}

func algorithms() []string {
	var names []string
	for _, a := range limits.Algorithms() {
		names = append(names, a.Name)
	}
	return names
}

// choose reads one word of the list as its index; the first is the default.
func choose[T ~uint8](r *attr.Reader, a *hcl.Attribute, words wordList) T {
	all := strings.Fields(string(words))
	return T(slices.Index(all, r.Enum(a, all[0], all...)))
}

// wordList is a list of words with spaces between them.
type wordList string

func word[T ~uint8](words wordList, i T) string {
	if all := strings.Fields(string(words)); int(i) < len(all) {
		return all[i]
	}
	return "unknown"
}
