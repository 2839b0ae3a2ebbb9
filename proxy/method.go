package proxy

// Method is a request method as a small number: the registered ones that the
// gateway counts apart, and MethodOther for the rest.
type Method uint8

// The methods of RFC 9110 section 9 and RFC 5789.
const (
	MethodOther Method = iota
	MethodGet
	MethodHead
	MethodPost
	MethodPut
	MethodPatch
	MethodDelete
	MethodOptions
	MethodConnect
	MethodTrace
	methods
)

var methodNames = [methods]string{"other", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}

// String returns the method's name, "other" for an unknown one.
func (m Method) String() string { return methodNames[m] }

// Idempotent reports whether repeating the request has the effect of sending it
// once (RFC 9110 section 9.2.2). An unknown method is taken not to be.
func (m Method) Idempotent() bool {
	switch m {
	case MethodGet, MethodHead, MethodPut, MethodDelete, MethodOptions, MethodTrace:
		return true
	default:
		return false
	}
}

// MethodOf recognises a method. Methods are case-sensitive.
func MethodOf(name []byte) Method {
	switch string(name) {
	case "GET":
		return MethodGet
	case "HEAD":
		return MethodHead
	case "POST":
		return MethodPost
	case "PUT":
		return MethodPut
	case "PATCH":
		return MethodPatch
	case "DELETE":
		return MethodDelete
	case "OPTIONS":
		return MethodOptions
	case "CONNECT":
		return MethodConnect
	case "TRACE":
		return MethodTrace
	}
	return MethodOther
}
