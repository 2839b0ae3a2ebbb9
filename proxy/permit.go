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

// ExplainPermit is Permits for an exchange that no client has sent. It decides as
// Permits does, counts nothing, and writes down why as an Explainer does: where it
// depends on who asks it sets v.Verdict to NotKnown and returns nil.
type ExplainPermit func(x *Exchange, v *Explanation) error

// errNobody is a request of a client that has not proven who it is, where only
// those are served that have.
var errNobody = errors.New("the client has shown no certificate")

// permitted answers a request that the client may not make, and reports whether
// it may. That comes before whatever a request can cost, and before anything is
// told of the gateway.
func (x *Exchange) permitted() bool {
	if x.Conn.Listener.Permits == nil || x.explained && x.foretell == nil {
		return true
	}
	if !x.normalize() {
		return false
	}
	err := x.judge()
	if err != nil {
		x.Answer(PermissionDenied, "", err)
	}
	return err == nil
}

// judge asks the permit of the client. What nobody has sent has none of its own.
func (x *Exchange) judge() error {
	if x.explained {
		return x.foretell(x)
	}
	if c := x.Conn.ClientCertificate(); c != nil && c.permit != nil {
		return c.permit.Permits(x)
	}
	return errNobody
}
