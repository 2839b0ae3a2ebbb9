package connect

// Request is what permissions are about. What it lends is only read, and not
// kept.
type Request interface {
	// Method is the request's, as it was sent.
	Method() []byte
	// Path is the one by which the request is routed, without the query.
	Path() []byte
	// Host is the authority that was asked for.
	Host() []byte
	// Field returns the value of a field by its name in any case, several lines
	// joined by "," without a space, those of Cookie by "; ". It reports false when
	// there is none. The value is void with the next call.
	Field(name string) ([]byte, bool)
}
