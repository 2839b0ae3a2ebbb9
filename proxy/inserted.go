package proxy

// Releaser is a Body that a step has put in front of the instance's, and that has
// borrowed something, such as an encoder from a pool.
//
// Any Body that a step puts in front of another has a method Unwrap that returns
// the latter.
type Releaser interface {
	Body
	Unwrap() Body
	// Release gives back what was borrowed. It is called once the instance's body
	// has been given up or read to its end, and nothing of the body is used then.
	Release()
}

// releaseBody ends what steps have put in front of the instance's body.
func (x *Exchange) releaseBody() {
	b := x.Response.Body
	x.Response.Body = nil
	for b != nil {
		w, ok := b.(interface{ Unwrap() Body })
		if !ok {
			return
		}
		inner := w.Unwrap()
		if r, ok := b.(Releaser); ok {
			r.Release()
		}
		b = inner
	}
}
