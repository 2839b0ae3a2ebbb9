package proxy

import (
	"crypto/tls"
	"time"
)

// UpstreamTLS is how the instances of a route are spoken to by TLS. Engines keep
// the connections of different values apart, so its dynamic type must be
// comparable, and routes that ask for the same should have the same value.
type UpstreamTLS interface {
	// ClientConfig returns the configuration of a connection that is about to be
	// made to a host, an address or a name, which the certificate must be for
	// unless another name is asked for. It always verifies the instance. The
	// caller may change it.
	ClientConfig(host string) *tls.Config
}

// AgingTLS is an UpstreamTLS whose connections are not for good: what was agreed
// when one was made, a certificate or a leave to connect, may have changed since.
type AgingTLS interface {
	UpstreamTLS
	// Fresh reports whether a connection that was made that long ago may take
	// another request. It is asked between two requests.
	Fresh(age time.Duration) bool
}
