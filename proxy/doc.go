// Package proxy is the pipeline of one request: it finds the route, asks the
// limits and other steps, chooses an instance and passes the answer back.
//
// It speaks HTTP's meaning (RFC 9110) and leaves the wire to engines, which turn
// bytes into an Exchange and back:
//
//	client ─▶ engine ─Exchange─▶ Proxy.Serve ─▶ engine ─▶ instance
//	          (Responder)          │   ▲        (Forwarder)
//	                               │   └ Table: routes, steps    (a reload swaps it)
//	                               └──── upstream.Pool: endpoints (the catalog swaps them)
//
// The story of one request is Proxy.Serve, from top to bottom: identify, the
// gateway's own limits, normalise the path, match, the route's steps, forward,
// finish.
//
// No field map and no string is built on the way: an Exchange works on borrowed
// bytes and is used again for the next request.
package proxy
