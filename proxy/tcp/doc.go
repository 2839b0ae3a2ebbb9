// Package tcp is the engine of passages: connections that are carried to an instance
// byte by byte. It accepts, finds the route, connects and carries; what a passage may
// do and which instance it gets is proxy.Pass's to say, as with requests.
//
//	listener of protocol tcp ──▶ Server ─┬─ no route has a name: the one route
//	                                     └─ else the name in the ClientHello says
//	listener of HTTP with TLS ─▶ Front ──┬─ a route has the name: a passage
//	                                     └─ else Accept, as if nobody had looked
//
// The name that a client asks for by TLS is read out of its ClientHello without a
// handshake (hello.go); the instance gets these bytes as they came. Where neither
// side needs TLS of us, on Linux the kernel moves what comes in bulk from socket to
// socket (splice_linux.go), and a silent passage holds no buffer.
package tcp
