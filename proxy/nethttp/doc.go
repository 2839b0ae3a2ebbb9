// Package nethttp is the engine that stands on the standard library: HTTP/1.1,
// and HTTP/2 with and without TLS, towards clients and towards instances.
// What others receive, HTTP/3 say, it serves when it comes in net/http's terms.
//
//	client ─▶ Server ─Exchange─▶ proxy.Handler ─Exchange─▶ Forwarder ─▶ instance
//	          http.Server, ServeConn           │           one http.Transport
//	                                           │           an endpoint and way of TLS
//	                                           └Exchange─▶ H2Forwarder ─▶ instance
//	                                                       a few http.ClientConn of
//	                                                       HTTP/2, shared
//
// The halves know nothing of each other: either can be joined to a half of
// another engine.
//
// # Two goroutines read one body
//
// http.Transport reads a request's body on a goroutine of its own, and goes on
// doing so after RoundTrip has returned a response. The pipeline knows one
// goroutine an exchange. So an upload stands between the two: once Forward has
// failed, or Done has returned, nothing reads the client's body any more. A
// read that is waiting for the client is broken off by the Responder, if that
// has a method StopBody.
//
// # What is left to net/http
//
// Requests that are no HTTP, or whose head is too large, are answered by
// net/http itself, in plain text and before there is an Exchange. A body that
// nobody wanted is drained up to 256 KiB; beyond that the connection closes.
// The order of fields with different names is not kept.
//
// # What is not left to net/http
//
// It bounds what a connection of HTTP/2 holds at a time, but not how much work the
// client makes with frames that bring no request any further. So each connection is
// watched: the heads of frames are looked at on their way, and a client that has used
// up its credit is thrown out. And it lets some malformed requests of HTTP/2 through,
// which go no further than this package.
package nethttp
