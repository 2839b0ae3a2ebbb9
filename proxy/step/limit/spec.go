package limit

import (
	"fmt"

	"github.com/lictor/lictor/limits"
)

// Scope says who shares a limit's budget.
type Scope uint8

// The scopes. The zero value is Local.
const (
	Local      Scope = iota // this gateway alone
	Shared                  // every gateway, exactly, by way of a store
	FleetShare              // this gateway's part of what all may grant
)

// String returns the policy's word for the scope.
func (s Scope) String() string { return word(scopes, s) }

// Mode says what becomes of a denial.
type Mode uint8

// The modes. The zero value is Enforcing.
const (
	Enforcing  Mode = iota // the request is refused
	Permissive             // it is counted and logged, and passes
	Disabled               // the limit isn't asked
)

// String returns the policy's word for the mode.
func (m Mode) String() string { return word(modes, m) }

// OnStoreError says what a shared limit does while its store doesn't answer.
type OnStoreError uint8

// What to do without a store. The zero value is Share.
const (
	Share  OnStoreError = iota // limit locally at this gateway's share
	Open                       // let everything pass
	Closed                     // let nothing pass
)

// String returns the policy's word for it.
func (o OnStoreError) String() string { return word(storeErrors, o) }

// Headers says which fields tell the client of a limit.
type Headers uint8

// The fields. The zero value is Standard.
const (
	Standard Headers = iota // RateLimit and RateLimit-Policy
	Legacy                  // X-RateLimit-Limit, -Remaining and -Reset
	Off                     // none but Retry-After
)

// String returns the policy's word for the fields.
func (h Headers) String() string { return word(headerWords, h) }

// Unit says what a limit counts.
type Unit uint8

// The units. The zero value is Requests.
const (
	Requests Unit = iota // each at its cost
	Bytes                // of their bodies
)

// String returns the policy's word for the unit.
func (u Unit) String() string { return word(units, u) }

// The words of a policy, in the order of the constants.
const (
	scopes      = wordList("local shared fleet_share")
	modes       = wordList("enforcing permissive disabled")
	storeErrors = wordList("share open closed")
	headerWords = wordList("standard legacy off")
	units       = wordList("requests bytes")
)

// Defaults of what every limit has.
const (
	DefaultCost       = 1
	DefaultIPv6Prefix = 64
	DefaultIPv4Prefix = 32
)

// Bounds of what every limit has.
const (
	MostKeys     = 100_000_000
	MostKeyParts = 8
	// MostShared is the largest capacity of a shared limit: stores count in
	// doubles.
	MostShared = 1<<53 - 1
)

// Spec is one limit of a policy: valid, with all defaults filled in.
type Spec struct {
	// Name is unique among the limits.
	Name string
	// Algorithm is the name that finds it by limits.Lookup.
	Algorithm string
	// Limit is the algorithm's own part.
	Limit limits.Spec
	// Key says whose budget a request is charged to; empty means one budget for
	// all.
	Key          []KeyPart
	Scope        Scope
	Mode         Mode
	Headers      Headers
	OnStoreError OnStoreError
	// Unit is what is counted.
	Unit Unit
	// Cost is what each request is charged, at least 1 and at most the
	// algorithm's capacity, and MethodCosts what those of single methods are; see
	// Cost.
	Cost        int64
	MethodCosts []MethodCost
	// Lease is how many units a shared limit takes from the store at a time, at
	// least 1.
	Lease int64
	// MaxKeys bounds the keys that are held at once.
	MaxKeys int
	// IPv6Prefix and IPv4Prefix are how many bits of the client's address make
	// its key.
	IPv6Prefix int
	IPv4Prefix int
}

// Price is what requests are charged, unless a route charges something else.
func (s *Spec) Price() Cost { return Cost{Each: s.Cost, Methods: s.MethodCosts} }

// Holds reports whether the limit counts what is in flight.
func (s *Spec) Holds() bool {
	a, _ := limits.Lookup(s.Algorithm)
	return a.Holds
}

// Equal reports whether two limits are alike in everything.
func (s *Spec) Equal(o *Spec) bool {
	return s.SameBudgets(o) && s.Limit == o.Limit &&
		s.Mode == o.Mode && s.Headers == o.Headers && s.OnStoreError == o.OnStoreError &&
		s.Price().Equal(o.Price()) && s.Lease == o.Lease && s.MaxKeys == o.MaxKeys
}

// SameBudgets reports whether what has been used under one limit counts under
// the other: they have the same name and the same Budgets.
func (s *Spec) SameBudgets(o *Spec) bool { return s.Name == o.Name && s.Budgets() == o.Budgets() }

// Budgets says what is charged to whom: algorithm, precision, scope, unit and kind of
// key. It is for comparing, also between processes.
func (s *Spec) Budgets() string {
	return fmt.Sprintf("%s %s %s %q /%d /%d %s", s.Algorithm, s.precision(), s.Scope, s.Unit, s.IPv6Prefix, s.IPv4Prefix, s.Key)
}

// precision is that of a sliding window, or whether windows are those of a
// calendar, and empty otherwise. Each remembers something else, which says nothing
// to the others.
func (s *Spec) precision() string {
	switch w := s.Limit.(type) {
	case limits.SlidingWindowSpec:
		return w.Precision
	case limits.FixedWindowSpec:
		if w.Calendar != "" {
			return limits.AlignCalendar
		}
	}
	return ""
}
