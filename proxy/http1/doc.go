// Package http1 is the gateway's own HTTP/1.1 engine (RFC 9112). It parses heads
// in place, edits them once on the way out, and allocates nothing for a request.
//
//	client ──bytes──▶ headScan ──▶ parseRequest ──▶ Exchange, framing ─▶ proxy.Handler
//	                                   body: chunks, or a length                │
//	client ◀──bytes── appendResponse, appendChunk ◀── Responder ◀───────────────┤
//	                                                                            ▼
//	instance ◀──bytes── appendRequest, appendChunk ◀────────────────────── Forwarder
//	instance ──bytes──▶ headScan ──▶ parseResponse ──▶ Exchange, framing ───────┘
//
// # The wire layer
//
// head.go, request.go, response.go, framing.go, chunked.go and encode.go are
// functions and small state machines over slices. They do no I/O, keep no slice
// beyond the exchange, and know nothing of connections. What they point into is
// the caller's read buffer, which must stay as it is while the Request, the
// Response or their Fields are in use. A chunked body's trailer section is the
// one thing that is copied.
//
// # The connection loops
//
// A client's connection has one goroutine. It waits, parses, runs the pipeline,
// which on the same goroutine asks the instance and waits for it, and answers.
// The exceptions are a request body that is not here when its head goes out, which
// another goroutine sends on (upload), because the instance may answer, break off or
// stop listening meanwhile; and one goroutine for each server that looks for
// clients who have gone while nobody was reading from them (gone.go).
//
//	conn        waits for a head without buffers, lends a work, serves, waits again
//	work        Exchange, buffers, request body and responder of one exchange
//	call        the same for the instance's side; stays with its Exchange
//	pool        idle connections to one endpoint, the last one used first
//	pools       those in clear, and those of each way of TLS, apart
//	secured     TLS to an instance, and what lies between it and the socket
//	rawServer   waiting without reads that find nothing, where there is a socket
//	rawClient   to wait on; elsewhere net.Conn does it (raw_linux.go)
//
// Deadlines are moved as seldom as possible, so they strike up to an eighth late,
// and one that strikes is only a question: whoever is woken looks at the clock and
// at its own state, and waits on if there is no reason not to (deadline.go).
//
// # Strictness
//
// A message that two parsers could read in two ways is refused, in either
// direction: the standard's leave to be lenient is what request smuggling lives
// on. Only CRLF ends a line; nothing is unfolded, trimmed or guessed. What is
// passed on is written anew: one Host, one framing field, chunks without
// extensions. So an instance never sees the client's spelling of what delimits
// its message. An *Error says what was wrong and how to answer it.
package http1
