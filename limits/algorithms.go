package limits

import "fmt"

// Algorithm is one way of limiting, as a policy names it.
type Algorithm struct {
	// Name is the first label of the policy's limit block.
	Name string
	// New returns a Block to decode the limit's own attributes into.
	New func() Block
	// Holds says that its limiters are Holders: they count what is in flight.
	Holds bool
}

// Algorithms lists the algorithms in the order in which they are documented.
// A new one is one file and one line here.
func Algorithms() []Algorithm {
	return []Algorithm{
		{Name: TokenBucketName, New: func() Block { return new(TokenBucket) }},
		{Name: LeakyBucketName, New: func() Block { return new(LeakyBucket) }},
		{Name: FixedWindowName, New: func() Block { return new(FixedWindow) }},
		{Name: SlidingWindowName, New: func() Block { return new(SlidingWindow) }},
		{Name: ConcurrencyName, New: func() Block { return new(Concurrency) }, Holds: true},
		{Name: AdaptiveConcurrencyName, New: func() Block { return new(AdaptiveConcurrency) }, Holds: true},
	}
}

// Lookup finds an algorithm by its name.
func Lookup(name string) (Algorithm, bool) {
	for _, a := range Algorithms() {
		if a.Name == name {
			return a, true
		}
	}
	return Algorithm{}, false
}

// Block is a limit as it was written: a pointer to a struct of plain fields with
// hcl tags, one for each attribute that the algorithm has of its own.
type Block interface {
	// Spec checks the block. Every error in the tree of the one returned is an
	// *AttributeError, so that its reader can point at the line to mend.
	Spec() (Spec, error)
}

// Spec is a limit that was found to be valid, with all defaults filled in. Two
// Specs that are equal by == limit alike.
type Spec interface {
	// Algorithm is the name that finds the algorithm by Lookup.
	Algorithm() string
	// Policy is the limit as clients are told of it.
	Policy() Policy
	// Capacity is the largest cost that can ever pass.
	Capacity() int64
	// New makes a limiter in which no key has been seen yet. It can't fail.
	New(o Options) Limiter
}

// DefaultMaxKeys is how many keys a limiter holds unless Options say otherwise.
const DefaultMaxKeys = 1_000_000

// Options are what a limiter needs to know besides its Spec.
type Options struct {
	// MaxKeys is a hard bound on the keys held at once; 0, or less, means
	// DefaultMaxKeys, and more than a thousand million means that many. A key
	// above it takes the place of a key that has spent little, which is then
	// as if never seen. Where a key can only be in a few places, that begins
	// when nine tenths are held, with one key in some thousands.
	MaxKeys int
}

const mostKeys = 1_000_000_000

func (o Options) withDefaults() Options {
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	o.MaxKeys = min(o.MaxKeys, mostKeys)
	return o
}

// AttributeError says what is wrong with one attribute of a Block.
type AttributeError struct {
	// Attribute is the name of the attribute, as in the Block's hcl tag. It may
	// be one that was left out.
	Attribute string
	// Err is what is wrong with it.
	Err error
}

func (e *AttributeError) Error() string { return e.Attribute + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *AttributeError) Unwrap() error { return e.Err }

// faultf makes an AttributeError.
func faultf(attribute, format string, args ...any) error {
	return &AttributeError{Attribute: attribute, Err: fmt.Errorf(format, args...)}
}
