// Package http3 receives HTTP/3 (RFC 9114) from clients. It stands on quic-go, and
// gives each request, in net/http's terms, to whoever can answer those.
//
//	datagrams ─▶ quic.Transport ─▶ door ─▶ http3.Server ─▶ early, body ─▶ Options.Handler
//	                              Retry,   streams, QPACK   0-RTT, what     nethttp's
//	                              bounds                    a body is       ServeConn
//
// # Who is let in
//
// The source of a first datagram may be forged. While few handshakes are open it
// is believed, and the handshake proves it; from then on new clients are asked to
// come again with a token (Retry, RFC 9000 section 8.1.2), which costs us nothing
// and those who forge everything. Connections count as those by TCP do, within the
// same bound.
//
// # What comes before the handshake is over
//
// 0-RTT can be replayed, and its sender's address is a claim (RFC 8470). So a
// request in it is served at once only when its method is safe, it has no body,
// a token of ours proves the address, and the ticket of its session is our own: keys
// of tickets may be shared, and a first flight that several servers would serve could
// be replayed at each. It is marked Early-Data. Any other waits until the handshake is
// complete, which no replay ever is.
//
// # Bounds
//
// A connection has 100 requests open, each with at most MaxHeaderBytes of fields,
// and 4 MiB of bodies under way. Those that the client gives up count until they have
// ended here. Time is counted by requests: a head that is never finished keeps no
// connection alive.
//
// # What is left to quic-go
//
// Requests that are no HTTP are answered by an error on their stream, and those
// whose head is too large by a bare 431, before there is an Exchange.
package http3
