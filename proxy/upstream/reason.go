package upstream

// Reason says why Acquire found no endpoint. It is about the first attempt of a
// request: when a later one finds none, answer by what befell the last.
type Reason uint8

// The reasons.
const (
	// Acquired is the zero value: there is an endpoint.
	Acquired Reason = iota
	// Unknown means that no source has answered for the service yet.
	Unknown
	// NotRegistered means that the catalog knows no instance of the service.
	NotRegistered
	// NoneHealthy means that there are instances, but none that the pool could
	// use: not healthy, or without the tags or the port that the route asks for.
	NoneHealthy
	// AllBenched means that healthy instances failed lately and the one request
	// that may try each again is under way.
	AllBenched
	// AtCapacity means that all usable instances are at their bound.
	AtCapacity
	// AllTried means that the request has been to every usable instance, or to
	// MaxAttempts of them.
	AllTried
)

// String returns the reason in words, for logs and people.
func (r Reason) String() string {
	switch r {
	case Acquired:
		return "acquired"
	case Unknown:
		return "not known yet"
	case NotRegistered:
		return "not registered"
	case NoneHealthy:
		return "no healthy instance"
	case AllBenched:
		return "all instances failed lately"
	case AtCapacity:
		return "all instances at capacity"
	case AllTried:
		return "all instances tried"
	}
	return "unknown reason"
}
