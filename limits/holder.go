package limits

import "time"

// Holder is a Limiter of what is under way at the same time, rather than of what
// begins in a span of time: a charge lasts as long as the request does, and comes
// back when that ends. So a request is followed by Begin, Answered and End instead
// of Take; a Take is a Begin of which the end has to be told by Refund.
//
// A Hold outlives reloads: it may be given back to the Holder that it was taken
// from, even if another has adopted its state since.
type Holder interface {
	Limiter
	// Begin is Take for a request whose end will be told. If the Hold is not
	// empty, it must be given to End exactly once. Passes says that the request
	// goes on even if it is denied, because the limit does not refuse anybody; then
	// a denied one may be held, too.
	Begin(key []byte, cost int64, now Time, passes bool) (Decision, Hold)
	// Answered tells how an attempt to serve the request went, any number of times
	// before End: how long it took and what came of it.
	Answered(h Hold, took time.Duration, o Outcome, now Time)
	// End gives back what Begin charged.
	End(h Hold)
	// Held lists the keys that the limiter knows of, in no particular order.
	Held(now Time) []Holding
	// InFlight is how much is held by all keys together.
	InFlight() int64
}

// Hold is what one request holds of a Holder. The zero value holds nothing.
type Hold struct {
	digest digest
	cost   int64
	// inFlight is how much was held at the beginning, by this one, too.
	inFlight int64
	on       *adaptiveState // what an adaptive limiter holds it of
}

// Empty reports whether nothing is held, so that there is nothing to End.
func (h Hold) Empty() bool { return h.cost == 0 }

// Outcome says what an attempt tells of the capacity of whoever was asked.
type Outcome uint8

// The outcomes. The zero value is Unrelated.
const (
	// Unrelated attempts say nothing: they failed, but not for lack of capacity.
	Unrelated Outcome = iota
	// Served attempts were answered after the time that it takes.
	Served
	// Dropped attempts failed for lack of capacity: they took too long, or were
	// refused for it.
	Dropped
	// Left attempts were given up by the client: they would have taken at least
	// as long as they did.
	Left
)

// Holding is how one key of an adaptive limiter stands.
type Holding struct {
	// Key is the key in full: an adaptive limiter is keyed by names of services
	// and routes, which are nobody's secret.
	Key []byte
	// Limit is how much may be held at the moment, InFlight how much is.
	Limit, InFlight int64
	// Short is the time that answers took in the last window, Long what is usual;
	// 0 for not known yet.
	Short, Long time.Duration
}
