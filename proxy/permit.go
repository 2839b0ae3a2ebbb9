package proxy

import "errors"

// Permit judges the requests of one client, where a look at its connection does
// not say enough: a service in the mesh may have leave for some requests alone.
// Requests of one connection may be judged side by side.
type Permit interface {
	// Permits says why the request must not go on, nil when it may. The error is
	// for the log. The path is the one that is matched; nothing of x is changed.
	Permits(x *Exchange) error
}

// errNobody is a request of a client that has not proven who it is, where only
// those are served that have.
var errNobody = errors.New("the client has shown no certificate")

// permitted answers a request that the client may not make, and reports whether
// it may. That comes before whatever a request can cost, and before anything is
// told of the gateway. What nobody has sent is not judged, since it comes in
// nobody's name.
func (x *Exchange) permitted() bool {
	if x.Conn.Listener.Permits == nil || x.explained {
		return true
	}
	if !x.normalize() {
		return false
	}
	err := errNobody
	if c := x.Conn.ClientCertificate(); c != nil && c.permit != nil {
		err = c.permit.Permits(x)
	}
	if err != nil {
		x.Answer(PermissionDenied, "", err)
	}
	return err == nil
}
