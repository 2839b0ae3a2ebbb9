package proxy

import (
	"crypto/x509"
	"net/netip"
	"sync/atomic"

	"github.com/lictor/lictor/proxy/router"
)

// Listener is what the pipeline must know of the address that a connection
// came in by. It is not changed while connections use it.
type Listener struct {
	Name string
	Port uint16
	// TrustedProxies are the peers whose word about the client is believed.
	// None are by default.
	TrustedProxies []netip.Prefix
	// ReadForwarded selects the Forwarded field (RFC 7239) instead of
	// X-Forwarded-For. The other one is never read.
	ReadForwarded bool
	Path          router.PathOptions

	// HealthPath is answered by the gateway itself: 200 when Ready says so, else
	// 503. Empty means none. A nil Ready means always.
	HealthPath string
	Ready      func() bool

	// Challenge knows what an ACME server is told that asks a host for a token (RFC
	// 8555 section 8.3), and false for one that nobody is about to ask for. The
	// host is in lower case and has no port. Nil knows none.
	Challenge func(host, token []byte) (string, bool)

	// Permits returns what judges the requests of a client by the certificate that it
	// has shown, once a connection. Nil permits all.
	Permits func(cert *x509.Certificate) Permit

	// RedirectPort is where clients that come in clear are sent to, by TLS; 0 means
	// that they are served here. 443 is not told to them.
	RedirectPort uint16
	// HSTS is the value of Strict-Transport-Security for every response that goes
	// out by TLS and has none (RFC 6797 section 7.1); empty for none.
	HSTS string

	// AltSvc is the value of Alt-Svc for every response that goes out by TLS, by a
	// version of HTTP before 3 and to a client of our own (RFC 7838); empty for none.
	AltSvc string

	// NetHTTP says that its requests go out by net/http's client, too.
	NetHTTP bool

	// Open and Accepted count connections; Refused those over the bound,
	// and those that the PROXY protocol kept out; Flooding those that were closed
	// for too many frames that bring no request any further.
	Open                        atomic.Int64
	Accepted, Refused, Flooding atomic.Uint64
}

func (l *Listener) trusts(a netip.Addr) bool {
	for _, p := range l.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
