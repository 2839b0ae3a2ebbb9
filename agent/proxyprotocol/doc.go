// Package proxyprotocol lets a balancer in front tell who its client is, by the
// header of the PROXY protocol, versions 1 and 2 (haproxy.org,
// proxy-protocol.txt), that it sends before anything else, TLS included.
//
//	accept ─▶ trusted peer? ─yes─▶ a goroutine reads the header ─▶ ready ─▶ Accept
//	               │no                   │ slow, malformed: closed
//	               └─ Required: closed   └ none, and Optional: as it is
//	                  Optional: as it is, so that a header is malformed HTTP
//
// The header is read before Accept returns the connection, and by a goroutine of
// its own, so that whoever asks for RemoteAddr never waits, and a peer that is
// slow holds up nobody but itself.
package proxyprotocol
