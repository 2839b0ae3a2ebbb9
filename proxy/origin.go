package proxy

import "slices"

// PreflightFor returns the method that a browser asks about before it sends a request
// to another origin (Fetch Standard, section 3.3.2), nil for what is no preflight.
func (r *Request) PreflightFor() []byte {
	if r.Verb != MethodOptions || r.Fields.Get(Origin) == nil {
		return nil
	}
	method, ok := r.Fields.Lookup("access-control-request-method")
	if !ok || len(method) == 0 {
		return nil
	}
	return method
}

// Origin returns the origin that the client says its request is from, whatever
// steps have done to the request; nil when it says none, or several. It is for the
// steps that see answers.
func (x *Exchange) Origin() []byte { return x.origin }

// noteOrigin remembers the origin for the route's answers.
func (x *Exchange) noteOrigin() {
	f := &x.Request.Fields
	if i := f.Next(Origin, 0); i >= 0 && f.Next(Origin, i+1) < 0 {
		x.origin = f.Value(i)
	}
}

// showAnswer lets the route's steps see an answer that the gateway makes itself.
func (x *Exchange) showAnswer() {
	if x.Route == nil {
		return
	}
	for _, s := range slices.Backward(x.Route.answers) {
		s.Answer(x)
	}
}
