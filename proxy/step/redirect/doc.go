// Package redirect is the step that sends clients elsewhere (RFC 9110 section 15.4):
// the gateway answers by itself, and a route with it needs no service.
//
// Where it sends them is the policy's to say. The authority of the target is written
// in the policy; only {host} may stand in for it, and only on a route that names its
// hosts, so that what comes back is one of them: a request can't choose another by
// its Host. All else that a request has a say in comes after the authority, with
// whatever could end it escaped.
package redirect
